//! What a run is made of. Each seed draws its own: some have no crashes, some a crowd, some tiny limits, so that no
//! fault hides behind another one all the time.

use roomkeep::kind::Kinds;
use roomkeep::protocol::Millis;
use roomkeep::protocol::limits::Limits;
use roomkeep::room::settings::Settings;

use super::FIELDS;
use super::message::VALUE_BYTES;
use super::oracle::Bounds;
use super::random::Random;
use crate::schemas;
use crate::world::{DAY, settings};

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    CarryUp,
    CarryDown,
    Client,
    /// A hand that moves: presence, more often than it is told.
    Move,
    Connect,
    Drop,
    Pass,
    Read,
    Sleep,
    Crash,
    Jump,
    Expire,
}

#[derive(Debug)]
pub struct Mix {
    pub steps: u64,
    /// How many users, and how many tabs of each kind.
    pub users: usize,
    pub greeting: usize,
    pub plain: usize,
    /// How many only watch.
    pub crowd: usize,
    pub fields: usize,
    pub bounds: Bounds,
    pub time_to_live: Millis,
    pub acts: Vec<(u64, Act)>,
    /// In a hundred events: commits that fail, and turns in which the runtime dies.
    pub failures: u64,
    pub deaths: u64,
    /// In a hundred: writes over HTTP, messages that are sent again, links that lose the answer.
    pub http: u64,
    pub repeats: u64,
    /// In a hundred messages: how many are about permissions.
    pub permissions: u64,
    /// In a hundred writes: how many say what they saw.
    pub based: u64,
    /// How long a step of time is, mostly.
    pub haste: Millis,
}

/// A kind that lets in some fields, some of the values of one, and nobody into another; one it does not know. The oracle
/// says the same in `refused_by_the_kind`.
fn kinds() -> Kinds {
    let open =
        FIELDS.iter().filter(|field| !matches!(**field, "e" | "g" | "h")).map(|field| format!(r#""{field}":{{}}"#));
    let fields = open.collect::<Vec<_>>().join(",");
    let even = r#"{"schema":{"type":"integer","multipleOf":2},"write":["editor"]}"#;
    let definition =
        format!(r#"{{"trade":{{"version":1,"fields":{{{fields},"e":{even},"g":{{"write":["admin"]}}}}}}}}"#);
    roomkeep::kind::read::kinds(&definition, schemas::misfit).unwrap()
}

impl Mix {
    pub fn draw(random: &mut Random) -> Self {
        let steps = random.between(60, 240);
        let mut some = |chance: u64, weight: u64| if random.percent(chance) { weight } else { 0 };
        let acts = vec![
            (30, Act::CarryUp),
            (30, Act::CarryDown),
            (30, Act::Client),
            (some(30, 1), Act::Move),
            (6, Act::Connect),
            (some(80, 4), Act::Drop),
            (some(95, 14), Act::Pass),
            (some(60, 2), Act::Read),
            (some(60, 4), Act::Sleep),
            (some(40, 2), Act::Crash),
            (some(40, 2), Act::Jump),
            (some(15, 1), Act::Expire),
        ];
        let (failures, deaths) = (some(50, 4), some(40, 3));
        let (http, repeats) = (some(70, 12), some(70, 6));
        let is_crowded = random.percent(45);
        Self {
            steps,
            users: random.index(4) + 1,
            greeting: random.index(4) + 1,
            plain: random.index(3),
            crowd: if is_crowded { 40 + random.index(40) } else { random.index(3) },
            fields: random.index(6) + 2,
            bounds: Bounds {
                fields: random.pick(&[2, 3, 8]),
                tombstones: random.pick(&[1, 2, 8]),
                participants: random.pick(&[1, 2, 3, 8]),
                clients: random.pick(&[1, 2, 4, 50]),
                outcomes: random.pick(&[2, 5, 64, 64]),
                requests: random.pick(&[1, 3, 200]),
                settled: random.pick(&[1, 4, 1_000]),
                // Nothing is drawn for it, so that the kept seeds are what they were.
                is_declared: steps % 2 == 1,
            },
            time_to_live: random.pick(&[2 * DAY, 30 * DAY, 45 * DAY]),
            acts,
            failures,
            deaths,
            http,
            repeats,
            permissions: random.pick(&[0, 15, 50]),
            based: random.pick(&[0, 30, 60, 90]),
            haste: random.pick(&[2, 10, 60]),
        }
    }

    pub fn settings(&self) -> Settings {
        let limits = Limits {
            value_bytes: VALUE_BYTES,
            fields: self.bounds.fields,
            tombstones: self.bounds.tombstones,
            participants: self.bounds.participants,
            clients: self.bounds.clients,
            outcomes: self.bounds.outcomes,
            requests: self.bounds.requests,
            settled: self.bounds.settled,
            ..Limits::default()
        };
        let settings = Settings { limits, time_to_live: self.time_to_live, ..settings() };
        if self.bounds.is_declared { settings.of_kind("trade", &kinds()) } else { settings }
    }
}
