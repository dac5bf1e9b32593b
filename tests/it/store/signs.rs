//! When somebody was last heard of, and who has fallen silent, across sleep and crash.

use super::*;

#[test]
fn j6_last_seen_counts_pings_that_never_woke_the_room() {
    let mut site = site();
    site.pass(500);
    site.ping("ann");
    site.pass(500);
    assert_eq!(site.sync("bob")["participants"][0]["lastSeen"], 2_500);
    site.break_off("ann");
    assert_eq!(site.sync("bob")["participants"][0]["lastSeen"], 2_500);
}

#[test]
fn j8_a_page_that_stops_pinging_is_found_while_a_quiet_one_is_left_alone() {
    let mut site = site();
    site.connect("cid");
    site.ping("ann");
    site.pass(150_001);
    let (code, _) = &site.world.closed[&say::connection("ann")];
    assert_eq!(code.number(), 4408);
    assert_eq!(site.world.sockets.len(), 2);
    let told = parsed(&site.take("bob"));
    assert_eq!((&told[0]["type"], &told[0]["lastSeen"]), (&json!("user_left"), &json!(2_000)));
}

#[test]
fn j8_and_j6_a_room_that_slept_knows_the_pings_of_its_sleep() {
    let mut site = site();
    site.pass(500);
    site.ping("ann");
    site.sleep();
    let state = site.driver.read(&mut site.world, site.now).unwrap().state(false, site.now);
    assert!(state.contains(r#""lastSeen":2500"#), "{state}");
    site.sleep();
    site.pass(150_000);
    assert!(site.world.closed.contains_key(&say::connection("ann")), "150 s after its last ping");
}

#[test]
fn j8_a_room_of_one_is_never_woken_to_look_for_silence() {
    let mut site = site();
    site.leave("bob");
    site.ping("ann");
    assert_eq!(site.world.alarm, Some(site.now + settings().time_to_live));
}

#[test]
fn j6_a_sign_on_a_connection_that_only_wrote_counts_asleep_or_awake() {
    let mut site = site();
    site.leave("ann");
    site.pass(2_000);
    site.connect("ann2");
    site.say("ann2", &say::set("ann", "f", "1"));
    let seen = site.now;
    site.pass(500);
    let ann = site.sync("bob")["participants"][0].clone();
    assert_eq!((&ann["lastSeen"], &ann["online"]), (&json!(seen), &json!(false)));
    site.sleep();
    assert_eq!(site.sync("bob")["participants"][0], ann);
}

#[test]
fn j6_and_s6_who_came_back_before_a_crash_was_seen_then() {
    let mut site = site();
    site.leave("ann");
    site.pass(5_000);
    site.connect("ann");
    site.say("ann", &say::join("ann"));
    let came = site.now;
    site.pass(10);
    site.crash();
    site.connect("cid");
    assert_eq!(site.sync("cid")["participants"][0]["lastSeen"], came);
}
