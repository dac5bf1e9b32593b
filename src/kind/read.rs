//! Reading definitions: what `checkRooms` of the SDK returns, as JSON.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::access::rules::{Enter, WriteRule};
use crate::protocol::Millis;
use crate::protocol::json::{self, Json};
use crate::protocol::role::Role;

use super::lens::Lens;
use super::pattern::Pattern;
use super::{Check, FieldRule, Kind, Kinds, Schema};

const DAY: f64 = 86_400_000.0;

/// What is wrong, after where that is.
type Read<T> = Result<T, String>;

/// Reads the definitions of all kinds: an object of them by party.
///
/// # Errors
/// It is not what the check of a definition returns; the text says where.
pub fn kinds(definitions: &str, check: Check) -> Result<Kinds, String> {
    let kinds = entries(definitions, "the definitions")?.into_iter();
    kinds.map(|(party, raw)| Ok((party.clone(), Arc::new(kind(&party, raw, check)?)))).collect()
}

fn kind(party: &str, raw: &str, check: Check) -> Read<Kind> {
    let mut kind = Kind {
        definition: Json::parse(raw.to_owned()).map_err(|error| format!("{party}: {error}"))?,
        version: 1,
        enter: Enter::default(),
        time_to_live: None,
        named: Default::default(),
        patterns: Vec::new(),
        is_open: false,
        lenses: Vec::new(),
        check,
    };
    for (name, raw) in entries(raw, party)? {
        let place = format!("{party}.{name}");
        match name.as_str() {
            "version" => kind.version = json::integer(raw).filter(|version| *version > 0).ok_or_else(|| bad(&place))?,
            "others" => kind.is_open = raw == "\"any\"",
            "enter" => {
                let by = strings(raw, &place)?;
                let has = |way: &str| by.iter().any(|by| by == way);
                kind.enter = Enter { by_rooms: has("rooms"), by_name: has("owner") };
            }
            "ttlDays" => {
                let days = raw.parse::<f64>().ok().filter(|days| *days > 0.0);
                kind.time_to_live = Some((days.ok_or_else(|| bad(&place))? * DAY).ceil() as Millis);
            }
            "fields" => {
                for (pattern, raw) in entries(raw, &place)? {
                    add(&mut kind, field(party, &pattern, raw, &place)?);
                }
            }
            "lenses" => {
                let lenses = list(raw, &place)?.into_iter();
                kind.lenses = lenses.map(|raw| lens(raw, &place)).collect::<Read<_>>()?;
            }
            // What other parts of the room, or the page alone, look at.
            _ => {}
        }
    }
    kind.patterns.sort_by_cached_key(|field| field.pattern.stars().collect::<Vec<_>>());
    Ok(kind)
}

fn add(kind: &mut Kind, field: FieldRule) {
    if field.pattern.has_stars() {
        kind.patterns.push(field);
    } else {
        kind.named.insert(field.pattern.text().to_owned(), field);
    }
}

fn field(party: &str, pattern: &str, raw: &str, place: &str) -> Read<FieldRule> {
    let mut field =
        FieldRule { pattern: Pattern::new(pattern), schema: None, write: vec![WriteRule::Role(Role::Editor)] };
    let place = format!("{place}[{pattern:?}]");
    for (name, raw) in entries(raw, &place)? {
        match name.as_str() {
            "schema" => {
                let text = Json::parse(raw.to_owned()).map_err(|error| format!("{place}: {error}"))?;
                field.schema = Some(Schema { party: party.to_owned(), pattern: pattern.to_owned(), text });
            }
            "write" => {
                // A rule that is not understood lets nobody write.
                let rules = strings(raw, &place)?;
                field.write = rules.iter().filter_map(|rule| WriteRule::parse(rule)).collect();
            }
            _ => {}
        }
    }
    Ok(field)
}

fn lens(raw: &str, place: &str) -> Read<Lens> {
    let mut lens = Lens::default();
    for (name, raw) in entries(raw, place)? {
        let place = format!("{place}.{name}");
        match name.as_str() {
            "to" => lens.to = json::integer(raw).ok_or_else(|| bad(&place))?,
            "rename" => {
                for (old, raw) in entries(raw, &place)? {
                    let new = json::string(raw).ok_or_else(|| bad(&place))?;
                    lens.rename.push((Pattern::new(&old), Pattern::new(&new)));
                }
            }
            "drop" => lens.drop = strings(raw, &place)?.iter().map(|text| Pattern::new(text)).collect(),
            "map" => {
                for (field, raw) in entries(raw, &place)? {
                    lens.map.push((Pattern::new(&field), values(raw, &place)?));
                }
            }
            "default" => lens.default = values(raw, &place)?,
            _ => {}
        }
    }
    lens.rename.sort_by_cached_key(|(old, _)| old.stars().collect::<Vec<_>>());
    lens.map.sort_by_cached_key(|(field, _)| field.stars().collect::<Vec<_>>());
    Ok(lens)
}

/// An object's members, each with its JSON.
fn entries<'a>(raw: &'a str, place: &str) -> Read<Vec<(String, &'a str)>> {
    let object = json::object(raw).map_err(|error| format!("{place}: {error}"))?;
    let members = object.without_duplicate_keys().map_err(|error| format!("{place}: {error}"))?;
    Ok(members.iter().map(|(name, raw)| (name.to_owned(), raw.get())).collect())
}

fn values(raw: &str, place: &str) -> Read<Vec<(String, Json)>> {
    let members = entries(raw, place)?.into_iter();
    let json = |raw: &str| Json::parse(raw.to_owned()).map_err(|error| format!("{place}: {error}"));
    members.map(|(name, raw)| Ok((name, json(raw)?))).collect()
}

fn list<'a>(raw: &'a str, place: &str) -> Read<Vec<&'a str>> {
    let list = serde_json::from_str::<Vec<&RawValue>>(raw).map_err(|error| format!("{place}: {error}"))?;
    Ok(list.into_iter().map(RawValue::get).collect())
}

fn strings(raw: &str, place: &str) -> Read<Vec<String>> {
    let texts = list(raw, place)?.into_iter();
    texts.map(|raw| json::string(raw).map(|text| text.into_owned()).ok_or_else(|| bad(place))).collect()
}

fn bad(place: &str) -> String {
    format!("{place} is not what it must be")
}
