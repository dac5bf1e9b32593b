//! The host's check of values against schemas, for rooms of a declared kind in tests. In the Worker a validator in JavaScript
//! does this; `tests/vectors/schemas.json` holds both to the same cases.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use roomkeep::kind::{Misfit, Schema};
use roomkeep::protocol::json::Json;
use serde::Deserialize;
use serde_json::Value;

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

/// How a value, given as JSON, breaks a schema. It is what the Worker tells, but where this validator has other words:
/// [`OTHERWISE`].
pub fn misfit(schema: &Schema, value: &str) -> Option<Misfit> {
    let value = serde_json::from_str(value).unwrap();
    let validator = compiled(schema.text.text());
    validator.iter_errors(&value).next().map(|error| told(&error))
}

fn told(error: &ValidationError<'_>) -> Misfit {
    let mut path = error.instance_path().as_str().to_owned();
    let mut keyword = error.kind().keyword().to_owned();
    match error.kind() {
        // The Worker names the member.
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            path = format!("{path}/{}", unexpected.first().unwrap());
        }
        // And where a schema is `false`, what asks for it.
        ValidationErrorKind::FalseSchema => {
            let place = error.schema_path().as_str().split('/');
            let keywords = ["items", "prefixItems", "properties", "additionalProperties", "$ref"];
            keyword = place.rev().find(|part| keywords.contains(part)).unwrap_or("false").to_owned();
        }
        _ => {}
    }
    Misfit { keyword, path }
}

/// Keywords of the Worker's for which this validator tells another one, or another place.
const OTHERWISE: [&str; 4] = ["dependentRequired", "if", "maxContains", "minContains"];

#[derive(Deserialize)]
struct Vector {
    schema: Value,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    value: String,
    misfit: Option<String>,
}

#[test]
fn k3_a_validator_of_another_make_agrees_on_what_values_break() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("../vectors/schemas.json")).unwrap();
    for Vector { schema, cases } in vectors {
        for Case { value, misfit: expected } in cases {
            let text = Json::parse(schema.to_string()).unwrap();
            let schema = Schema { party: "trade".to_owned(), pattern: "field".to_owned(), text };
            let found = misfit(&schema, &value);
            assert_eq!(found.is_some(), expected.is_some(), "{} {value}: {found:?}", schema.text.text());
            let Some(Misfit { keyword, path }) = found else { continue };
            let (expected, place) = expected.as_deref().unwrap().split_once(' ').unwrap();
            // Of what is not evaluated it tells no more than that.
            if !OTHERWISE.contains(&expected) && !keyword.starts_with("unevaluated") {
                assert_eq!((keyword.as_str(), path.as_str()), (expected, place), "{} {value}", schema.text.text());
            }
        }
    }
}
