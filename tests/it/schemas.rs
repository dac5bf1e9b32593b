//! Whether a value fits a schema, as the tests of the core ask it on the host. In the Worker a validator in JavaScript says
//! so; `tests/vectors/schemas.json` holds both to the same cases.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, ValidationError};
use serde::Deserialize;
use serde_json::Value;

/// What a value (as JSON text) breaks first of a schema: the keyword, and a JSON Pointer into the value. None if it fits.
///
/// It is what the Worker tells, but where this validator has other words: [`OTHERWISE`].
pub fn misfit(schema: &Value, value: &str) -> Option<(String, String)> {
    let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(false);
    let validator = options.build(schema).unwrap();
    let value = serde_json::from_str(value).unwrap();
    validator.iter_errors(&value).next().map(|error| told(&error))
}

fn told(error: &ValidationError<'_>) -> (String, String) {
    let path = error.instance_path().as_str();
    match error.kind() {
        // The Worker names the member, and where a schema is `false` the keyword that it is under.
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            (error.kind().keyword().to_owned(), format!("{path}/{}", unexpected.first().unwrap()))
        }
        ValidationErrorKind::FalseSchema => {
            let schema = error.schema_path().as_str();
            let keyword = schema.rsplit('/').find(|part| !part.is_empty()).unwrap_or("false");
            (keyword.to_owned(), path.to_owned())
        }
        kind => (kind.keyword().to_owned(), path.to_owned()),
    }
}

/// Keywords of the Worker's for which this validator tells another one, or another place.
const OTHERWISE: [&str; 5] = ["contains", "dependentRequired", "if", "minContains", "unevaluatedItems"];

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
            let found = misfit(&schema, &value);
            assert_eq!(found.is_some(), expected.is_some(), "{schema} {value}: {found:?}");
            let Some((keyword, path)) = found else { continue };
            let (expected, place) = expected.as_deref().unwrap().split_once(' ').unwrap();
            if !OTHERWISE.contains(&expected) {
                assert_eq!((keyword.as_str(), path.as_str()), (expected, place), "{schema} {value}");
            }
        }
    }
}
