//! What every platform owes the driver, asked of the tests' own. Workerd's is asked the same in
//! `tests/worker/contract.test.ts`.

use roomkeep::driver::contract::{self, Subject};
use roomkeep::room::connections::session::Attachment;

use crate::say;
use crate::world::World;

impl Subject for World {
    fn fail_next_commit(&mut self) {
        // Behind the two statements of the contract's commit comes its `COMMIT`.
        self.fail_at = Some(2);
    }
}

#[test]
fn the_tests_platform_keeps_the_contract() {
    let mut world = World::new();
    let connections = ["ann", "bob", "cid"].map(say::connection);
    for connection in connections {
        world.sockets.entry(connection).or_default().attachment =
            Some(Attachment::unauthenticated(connection, None, 0));
    }
    let report = contract::run(&mut world, connections);
    assert_eq!(report.failures, [""; 0]);
    let closed = world.closed.into_iter().map(|(connection, (_, socket))| (connection, socket));
    for (connection, socket) in world.sockets.into_iter().chain(closed) {
        assert_eq!(socket.received, report.expected[&connection.to_string()], "{}", say::name(connection));
    }
}
