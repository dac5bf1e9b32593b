//! The conversations of `tests/vectors/sessions.json`, each held in a room of its own.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::say;
use crate::world::Site;

#[derive(Deserialize)]
struct Session {
    name: String,
    steps: Vec<Step>,
}

/// `tests/vectors/README.md` says what the members mean.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    connect: Option<String>,
    leave: Option<String>,
    cut: Option<String>,
    from: Option<String>,
    say: Option<Value>,
    #[serde(default)]
    hear: BTreeMap<String, Vec<Value>>,
    #[serde(default)]
    closed: BTreeMap<String, u16>,
}

/// What the names that begin with `$` stand for.
type Names = BTreeMap<String, Value>;

/// Every frame that the room makes in any of the sessions: all that is heard but what is passed on as it was said.
pub fn frames() -> Vec<Value> {
    let mut frames = Vec::new();
    for session in sessions() {
        play(&session, |step, (heard, _), _| {
            let heard = heard.values().flatten();
            frames.extend(heard.filter(|frame| step.say.as_ref() != Some(frame)).cloned());
        });
    }
    frames
}

fn sessions() -> Vec<Session> {
    serde_json::from_str(include_str!("../../vectors/sessions.json")).unwrap()
}

/// The frame with its names replaced by what they stand for.
fn filled(said: &Value, names: &Names) -> Value {
    match said {
        Value::String(text) if text.starts_with('$') => names[text].clone(),
        Value::Array(items) => items.iter().map(|item| filled(item, names)).collect(),
        Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), filled(value, names))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => said.clone(),
    }
}

/// Whether this is what was expected. A name stands from its first time on for what it met then.
fn is_as(expected: &Value, heard: &Value, names: &mut Names) -> bool {
    match (expected, heard) {
        (Value::String(any), _) if any == "*" => true,
        (Value::String(name), _) if name.starts_with('$') => {
            names.entry(name.clone()).or_insert_with(|| heard.clone()) == heard
        }
        (Value::Array(expected), Value::Array(heard)) => {
            expected.len() == heard.len()
                && expected.iter().zip(heard).all(|(expected, heard)| is_as(expected, heard, names))
        }
        (Value::Object(expected), Value::Object(heard)) => {
            let has_it = |(key, value): (&String, &Value), names: &mut Names| {
                heard.get(key).is_some_and(|heard| is_as(value, heard, names))
            };
            expected.len() == heard.len() && expected.iter().all(|member| has_it(member, names))
        }
        _ => expected == heard,
    }
}

/// The frames that each connection heard in this step, and with which code the room closed some.
type Heard = (BTreeMap<String, Vec<Value>>, BTreeMap<String, u16>);

fn take(site: &mut Site, gone: &mut Vec<String>) -> Heard {
    let open = site.world.sockets.keys().copied();
    let names = open.chain(site.world.closed.keys().copied()).map(say::name).collect::<Vec<_>>();
    let closed = site.world.closed.iter().map(|(connection, (code, _))| (say::name(*connection), code.number()));
    let closed = closed.filter(|(name, _)| !gone.contains(name)).collect::<BTreeMap<_, _>>();
    gone.extend(closed.keys().cloned());
    let frames = names.into_iter().map(|name| {
        let frames = site.take(&name).iter().map(|frame| serde_json::from_str(frame).unwrap()).collect::<Vec<_>>();
        (name, frames)
    });
    (frames.filter(|(_, frames)| !frames.is_empty()).collect(), closed)
}

fn act(site: &mut Site, step: &Step, names: &Names) {
    match (&step.connect, &step.leave, &step.cut, &step.from, &step.say) {
        (Some(name), None, None, None, None) => site.connect(name),
        (None, Some(name), None, None, None) => site.leave(name),
        (None, None, Some(name), None, None) => site.break_off(name),
        (None, None, None, Some(name), Some(said)) => site.say(name, &filled(said, names).to_string()),
        _ => panic!("a step does one thing"),
    }
}

/// Holds a conversation and has each step looked at, with whether it was heard as it should be.
fn play(session: &Session, mut look: impl FnMut(&Step, &Heard, bool)) {
    let mut site = Site::new();
    let (mut names, mut gone) = (Names::new(), Vec::new());
    for step in &session.steps {
        act(&mut site, step, &names);
        // Long enough for presence, too short for anybody to be taken for silent.
        site.pass(1_000);
        let heard = take(&mut site, &mut gone);
        let is_expected = heard.0.keys().eq(step.hear.keys())
            && heard.0.iter().all(|(name, frames)| {
                is_as(&Value::from(step.hear[name].clone()), &Value::from(frames.clone()), &mut names)
            });
        look(step, &heard, is_expected);
    }
}

#[test]
fn y4_to_y7_e1_to_e6_and_s8_every_session_goes_as_it_says() {
    for session in sessions() {
        let mut at = 0;
        play(&session, |step, (heard, closed), is_expected| {
            at += 1;
            let told = || serde_json::to_string_pretty(&heard).unwrap();
            assert!(is_expected, "{}, step {at}, heard: {}", session.name, told());
            assert_eq!(closed, &step.closed, "{}, step {at}", session.name);
        });
    }
}
