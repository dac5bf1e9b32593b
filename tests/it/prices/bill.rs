//! What a hostile member can cost a day, by the prices of docs/scale.md.

use std::collections::BTreeMap;

use roomkeep::access::prices::{Cost, WOKEN_PER_WRITE};
use roomkeep::protocol::limits::Limits;
use roomkeep::protocol::role::Role;
use roomkeep::room::records::Records;

const DAY: f64 = 86_400.0;
/// How soon a room may fall asleep, in seconds, and so how often it can be woken.
const SLEEP: f64 = 10.0;
/// Messages that count as one request to an object.
const MESSAGES_OF_A_REQUEST: f64 = 20.0;
/// What an object that is awake takes, in gigabytes.
const MEMORY: f64 = 0.128;
/// What a request takes of the Worker's processor, in milliseconds.
const CPU: f64 = 5.0;

/// The prices of docs/scale.md, in dollars for one.
pub struct Prices(BTreeMap<String, f64>);

impl Prices {
    pub fn read() -> Self {
        let text = include_str!("../../../docs/scale.md");
        let rows = text.lines().filter_map(|line| {
            let cells = line.split('|').map(str::trim).collect::<Vec<_>>();
            let price = cells.get(3)?.strip_prefix('$')?;
            let (dollars, of) = price.split_once(" a ")?;
            let many = if of.starts_with("million") { 1e6 } else { 1.0 };
            Some(((*cells.get(1)?).to_owned(), dollars.parse::<f64>().ok()? / many))
        });
        Self(rows.collect())
    }

    pub fn of(&self, what: &str) -> f64 {
        *self.0.get(what).unwrap_or_else(|| panic!("docs/scale.md has no price for {what}"))
    }
}

/// The most that one user with this role can cost a day in a room at the default limits, in dollars.
pub fn worst_day(role: Role) -> f64 {
    let (prices, limits) = (Prices::read(), Limits::default());
    let times = Cost { rows: 1, ..Cost::default() }.price(role).writes as f64;
    let writes = limits.writes_per_second as f64 * DAY + limits.writes_burst as f64;
    let messages = limits.messages_per_second as f64 * DAY + limits.messages_burst as f64;
    let rows = Records::default().sizes(&limits).iter().map(|size| size.most).sum::<usize>() as f64;
    writes / times * prices.of("Rows written")
        + messages / MESSAGES_OF_A_REQUEST * prices.of("Object requests")
        // It is never asleep for longer than it takes to be woken.
        + DAY * MEMORY * prices.of("Duration")
        + DAY / SLEEP * rows * prices.of("Rows read")
}

#[test]
fn x1_a_write_costs_at_most_as_much_as_a_row() {
    let prices = Prices::read();
    let row = prices.of("Rows written");
    let request = prices.of("Worker requests") + CPU * prices.of("Worker CPU") + 2.0 * prices.of("Object requests");
    assert!(request <= row, "a request: {request}");
    let woken = WOKEN_PER_WRITE as f64 * prices.of("Rows read");
    assert!(woken <= row * 1.000_001, "a thousand rows that are read: {woken}");
}

#[test]
fn x1_the_worst_that_a_viewer_costs_a_day_is_below_a_dollar_and_an_editor_below_ten() {
    let (viewer, editor) = (worst_day(Role::Viewer), worst_day(Role::Editor));
    assert!(viewer < 1.0, "{viewer}");
    assert!(editor < 10.0, "{editor}");
    // Sleeping gives nobody a full bucket that would not be full by then.
    let limits = Limits::default();
    assert!(limits.writes_burst as f64 <= limits.writes_per_second as f64 * SLEEP);
    assert!(limits.messages_burst as f64 <= limits.messages_per_second as f64 * SLEEP);
}
