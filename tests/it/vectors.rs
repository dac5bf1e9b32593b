//! The frames of `tests/vectors/frames.json`, each said by a joined user to a room where another one listens. The
//! other vectors have modules of their own.

mod sessions;
mod wire;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::say;
use crate::world::Site;

/// What a joined `ann` may hear for saying `frame` in a room where `bob` listens.
#[derive(Deserialize)]
struct Vector {
    name: String,
    frame: String,
    /// `relay`: bob gets the frame as it is. `ok`: it is done. `close` with a number: the connection is closed with it.
    /// Else the code of the error or conflict, and nothing changes.
    expect: String,
    /// The `id` that the answer carries.
    id: Option<serde_json::Value>,
}

/// An answer of the room, with what must come back untouched as the text that it is.
#[derive(Deserialize)]
struct Answer<'a> {
    r#type: String,
    code: Option<String>,
    id: Option<serde_json::Value>,
    #[serde(borrow)]
    selection: Option<Selection<'a>>,
}

#[derive(Deserialize)]
struct Selection<'a> {
    #[serde(borrow)]
    value: &'a RawValue,
}

/// What comes of a vector.
struct Heard {
    to_ann: Vec<String>,
    to_bob: Vec<String>,
    /// By how much the version rose.
    steps: u64,
    /// With what ann was closed.
    closed: Option<u16>,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../vectors/frames.json")).unwrap()
}

/// Says the vector's frame in a room of its own.
fn heard(vector: &Vector) -> Heard {
    let mut site = Site::new();
    for name in ["bob", "ann"] {
        site.connect(name);
        site.say(name, &say::join(name));
    }
    site.say("ann", &say::set("ann", "f", "0"));
    ["ann", "bob"].into_iter().for_each(|name| drop(site.take(name)));
    let before = site.driver.room().unwrap().version();
    site.say("ann", &vector.frame);
    let after = site.driver.room().unwrap().version();
    let closed = site.world.closed.values().next().map(|(code, _)| code.number());
    Heard { to_ann: site.take("ann"), to_bob: site.take("bob"), steps: after - before, closed }
}

fn answer(frame: &str) -> Answer<'_> {
    serde_json::from_str(frame).unwrap()
}

#[test]
fn f1_f3_f5_and_p2_every_vector_is_answered_as_it_says() {
    for vector in vectors() {
        let name = &vector.name;
        let Heard { to_ann, to_bob, steps, closed } = heard(&vector);
        let answers = to_ann.iter().map(|frame| answer(frame)).collect::<Vec<_>>();
        let errors = answers.iter().filter_map(|answer| answer.code.clone()).collect::<Vec<_>>();
        match vector.expect.as_str() {
            "relay" => assert_eq!((&to_bob, steps), (&vec![vector.frame.clone()], 0), "{name}: {to_ann:?}"),
            "ok" => assert!(errors.is_empty(), "{name}: {to_ann:?}"),
            close if close.starts_with("close ") => {
                assert_eq!((format!("close {}", closed.unwrap()).as_str(), steps), (close, 0), "{name}");
            }
            code => {
                assert_eq!(errors, [code], "{name}: {to_ann:?}");
                assert_eq!((to_ann.len(), to_bob.len(), steps), (1, 0, 0), "{name}: {to_bob:?}");
            }
        }
        let outcomes = answers.iter().filter(|answer| matches!(answer.r#type.as_str(), "ack" | "conflict" | "error"));
        let ids = outcomes.filter_map(|answer| answer.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids, vector.id.into_iter().collect::<Vec<_>>(), "{name}: {to_ann:?}");
    }
}

#[test]
fn s2_values_are_kept_digit_for_digit() {
    let mut count = 0;
    for vector in vectors().iter().filter(|vector| {
        vector.expect == "ok" && vector.frame.contains("\"field_selected\"") && !vector.frame.contains("batch")
    }) {
        let Heard { to_bob, .. } = heard(vector);
        let said = answer(&vector.frame).selection.unwrap();
        let told = answer(&to_bob[0]).selection.unwrap();
        assert_eq!(told.value.get(), said.value.get(), "{}", vector.name);
        count += 1;
    }
    assert!(count > 10, "the vectors have values of all kinds");
}
