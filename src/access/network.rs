//! Whose a request is when it has no token: the network that it comes from.

use std::net::IpAddr;

/// The network that an address stands for. Whoever has one address of IPv6 has at least 2^64 of them: the first half
/// says whose they are. Anything that is not an address is one network.
pub fn of(address: &str) -> String {
    match address.trim().parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.to_string(),
        Ok(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
            Some(address) => address.to_string(),
            None => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        },
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x4_an_address_stands_for_the_network_of_its_owner() {
        for (address, network) in [
            ("203.0.113.9", "203.0.113.9"),
            (" 203.0.113.9 ", "203.0.113.9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
            ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
            ("", ""),
            ("203.0.113.9, 10.0.0.1", ""),
            ("unknown", ""),
        ] {
            assert_eq!(of(address), network, "{address}");
        }
    }
}
