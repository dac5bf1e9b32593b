//! Which pages may connect and read responses (A7).

use super::limits::BadVariable;

/// The origins of such pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// All, without the browser's credentials.
    Any,
    /// These.
    Listed(Vec<Listed>),
}

/// An entry of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// Pages without an origin of their own, such as those in a sandbox. All of them are `null`.
    Null,
    /// This origin.
    One(Origin),
    /// Every origin with this scheme and port whose host ends in a dot and this host: `https://*.a.example`.
    Subdomains(Origin),
}

/// An origin as browsers send it: in lower case, without the default port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

/// What pages of an origin may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance<'a> {
    /// `Access-Control-Allow-Origin`
    pub origin: &'a str,
    /// Whether the browser may send its credentials along.
    pub with_credentials: bool,
}

impl Origins {
    /// Reads the variable `ALLOWED_ORIGINS`: origins, separated by commas. Unset, empty or `*` allows all.
    ///
    /// # Errors
    /// An entry can match no origin, or there is none.
    pub fn parse(variable: Option<&str>) -> Result<Self, BadVariable> {
        let variable = variable.unwrap_or_default();
        if variable.trim().is_empty() {
            return Ok(Self::Any);
        }
        let entries = variable.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect::<Vec<_>>();
        if entries.contains(&"*") {
            return Ok(Self::Any);
        }
        let bad = BadVariable {
            name: "ALLOWED_ORIGINS",
            expected: "origins such as https://app.example.com or https://*.example.com, separated by commas",
        };
        let listed = entries.into_iter().map(Listed::parse).collect::<Option<Vec<_>>>();
        listed.filter(|listed| !listed.is_empty()).map(Self::Listed).ok_or(bad)
    }

    /// Whether a page of this origin may open a connection. A client that names no origin is not a page.
    pub fn admits(&self, origin: Option<&str>) -> bool {
        match (self, origin) {
            (Self::Any, _) | (Self::Listed(_), None) => true,
            (Self::Listed(_), Some(origin)) => self.entry_for(origin).is_some(),
        }
    }

    /// What a page of this origin may read, if anything. Credentials go with listed origins only, and never with
    /// `null`, which anybody's sandboxed page is.
    pub fn allow<'a>(&self, origin: Option<&'a str>) -> Option<Allowance<'a>> {
        if *self == Self::Any {
            return Some(Allowance { origin: "*", with_credentials: false });
        }
        let origin = origin?;
        self.entry_for(origin).map(|entry| Allowance { origin, with_credentials: *entry != Listed::Null })
    }

    fn entry_for(&self, origin: &str) -> Option<&Listed> {
        let Self::Listed(listed) = self else { return None };
        let read = Origin::parse(origin);
        listed.iter().find(|entry| match (entry, &read) {
            (Listed::Null, _) => origin == "null",
            (Listed::One(one), Some(read)) => one == read,
            (Listed::Subdomains(of), Some(read)) => {
                of.scheme == read.scheme && of.port == read.port && read.is_below(of)
            }
            (Listed::One(_) | Listed::Subdomains(_), None) => false,
        })
    }
}

impl Listed {
    fn parse(entry: &str) -> Option<Self> {
        if entry == "null" {
            return Some(Self::Null);
        }
        let entry = entry.strip_suffix('/').unwrap_or(entry);
        match entry.split_once("://*.") {
            Some((scheme, rest)) => {
                let origin = Origin::parse(&format!("{scheme}://{rest}"))?;
                // An address in numbers has no subdomains.
                let is_name =
                    origin.host.bytes().any(|byte| byte.is_ascii_alphabetic()) && !origin.host.starts_with('[');
                Some(Self::Subdomains(origin)).filter(|_| is_name)
            }
            None => Origin::parse(entry).map(Self::One),
        }
    }
}

impl Origin {
    /// Reads an origin. `None` for anything that no page can have.
    fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let (scheme, rest) = text.split_once("://")?;
        let mut letters = scheme.bytes();
        let is_scheme = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
            && letters.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
        // A page is not loaded by these, though its sockets are.
        if !is_scheme || matches!(scheme, "ws" | "wss") {
            return None;
        }
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, port)) => (&rest[..address.len() + 2], port),
            None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
        };
        let port = match port {
            "" => None,
            port => Some(port.strip_prefix(':').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?),
        };
        let port = port.map(str::parse::<u16>).transpose().ok()?;
        let default_port = match scheme {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        let origin =
            Self { scheme: scheme.to_owned(), host: host.to_owned(), port: port.filter(|_| port != default_port) };
        Some(origin).filter(|_| is_host(host))
    }

    fn is_below(&self, parent: &Self) -> bool {
        self.host.strip_suffix(parent.host.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
    }
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    // Browsers send other letters in their ASCII form, `xn--…`.
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    host.strip_suffix('.').unwrap_or(host).split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(variable: &str) -> Origins {
        Origins::parse(Some(variable)).unwrap()
    }

    #[test]
    fn a7_only_listed_origins_may_once_there_is_a_list() {
        for any in [None, Some(""), Some(" "), Some("*"), Some("https://a.example, *")] {
            let origins = Origins::parse(any).unwrap();
            let all = Some(Allowance { origin: "*", with_credentials: false });
            assert!(origins.admits(Some("https://evil.example")), "{any:?}");
            assert_eq!((origins.allow(Some("https://evil.example")), origins.allow(None)), (all, all));
        }
        let origins = listed("https://a.example/, HTTP://Localhost:8787,https://b.example:443,http://c.example:80/");
        for (origin, is_listed) in [
            ("https://a.example", true),
            ("http://localhost:8787", true),
            ("https://b.example", true),
            ("http://c.example", true),
            ("https://c.example", false),
            ("http://a.example", false),
            ("https://a.example:444", false),
            ("https://a.example.evil.example", false),
            ("https://www.a.example", false),
            ("https://evil.example", false),
            ("https://a.example@evil.example", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(origins.admits(Some(origin)), is_listed, "{origin}");
            let allowed = Some(Allowance { origin, with_credentials: true }).filter(|_| is_listed);
            assert_eq!(origins.allow(Some(origin)), allowed, "{origin}");
        }
        assert!(origins.admits(None));
        assert_eq!(origins.allow(None), None);
    }

    #[test]
    fn a7_a_star_stands_for_one_subdomain_or_more() {
        let origins = listed("https://*.A.example, http://*.localhost:3000");
        for (origin, is_listed) in [
            ("https://x.a.example", true),
            ("https://x.y.a.example", true),
            ("https://x.a.example:443", true),
            ("http://x.localhost:3000", true),
            ("https://a.example", false),
            ("https://.a.example", false),
            ("https://xa.example", false),
            ("https://x.a.example:8443", false),
            ("http://x.a.example", false),
            ("http://x.localhost", false),
            ("https://x.a.example.evil.example", false),
            ("https://evil.example/x.a.example", false),
            ("https://evil.example?x.a.example", false),
            ("https://evil.example#.a.example", false),
            ("https://evil.example:443.a.example", false),
        ] {
            assert_eq!(origins.admits(Some(origin)), is_listed, "{origin}");
        }
    }

    #[test]
    fn a7_what_can_match_no_origin_is_no_list() {
        for entry in [
            "https://a.example",
            "https://[::1]:8787",
            "http://127.0.0.1:8787/",
            "capacitor://localhost",
            "chrome-extension://abcdef",
            "https://xn--bcher-kva.example",
        ] {
            assert!(listed(entry).admits(Some(entry.trim_end_matches('/'))), "{entry}");
        }
        for rubbish in [
            ",",
            "a.example",
            "https://",
            "https://a.example/app",
            "https://a.example//",
            "https://a.example?x",
            "https://user@a.example",
            "https://a b.example",
            "https://bücher.example",
            "https://*",
            "https://*a.example",
            "https://a.*.example",
            "https://*.*.example",
            "https://*.127.0.0.1",
            "https://*.[::1]",
            "https://a..example",
            "https://a.example:",
            "https://a.example:x",
            "https://a.example:99999",
            "https://a.example:*",
            "https://[::1",
            "*://a.example",
            "wss://a.example",
            "NULL",
            "https://good.example, bad",
            "https://good.example https://other.example",
        ] {
            assert!(Origins::parse(Some(rubbish)).is_err(), "{rubbish}");
        }
    }

    #[test]
    fn a7_null_gets_no_credentials() {
        let origins = listed("null");
        assert_eq!(origins.allow(Some("null")), Some(Allowance { origin: "null", with_credentials: false }));
        assert_eq!(origins.allow(Some("https://a.example")), None);
    }
}
