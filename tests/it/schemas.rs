//! The host's check of values against schemas, for rooms of a declared kind in tests.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use jsonschema::Validator;
use roomkeep::kind::{Misfit, Schema};

thread_local! {
    /// By their text: a test asks of many values what few schemas say.
    static COMPILED: RefCell<BTreeMap<String, Rc<Validator>>> = const { RefCell::new(BTreeMap::new()) };
}

fn compiled(schema: &str) -> Rc<Validator> {
    COMPILED.with_borrow_mut(|compiled| {
        let compile = || {
            let schema = serde_json::from_str(schema).unwrap();
            Rc::new(jsonschema::draft202012::options().should_validate_formats(false).build(&schema).unwrap())
        };
        compiled.entry(schema.to_owned()).or_insert_with(compile).clone()
    })
}

/// How a value, given as JSON, breaks a schema.
pub fn misfit(schema: &Schema, value: &str) -> Option<Misfit> {
    let value = serde_json::from_str(value).unwrap();
    let validator = compiled(schema.text.text());
    let error = validator.iter_errors(&value).next()?;
    let keyword = error.schema_path().as_str().rsplit('/').next().unwrap_or_default().to_owned();
    Some(Misfit { keyword, path: error.instance_path().as_str().to_owned() })
}
