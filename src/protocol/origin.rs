//! Which pages may connect and read responses (A7).

/// The origins of such pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// All, without the browser's credentials.
    Any,
    /// These.
    Listed(Vec<String>),
}

impl Origins {
    /// Reads the variable `ALLOWED_ORIGINS`: origins, separated by commas. Unset, empty or `*` allows all.
    pub fn parse(variable: Option<&str>) -> Self {
        let listed = variable.unwrap_or_default().split(',').map(str::trim).filter(|origin| !origin.is_empty());
        let listed = listed.map(|origin| origin.trim_end_matches('/').to_ascii_lowercase()).collect::<Vec<_>>();
        if listed.is_empty() || listed.iter().any(|origin| origin == "*") { Self::Any } else { Self::Listed(listed) }
    }

    /// Whether a page of this origin may open a connection. A client that names no origin is not a page.
    pub fn admits(&self, origin: Option<&str>) -> bool {
        match (self, origin) {
            (Self::Any, _) | (Self::Listed(_), None) => true,
            (Self::Listed(listed), Some(origin)) => listed.iter().any(|listed| listed.eq_ignore_ascii_case(origin)),
        }
    }

    /// The `Access-Control-Allow-Origin` for a page of this origin, if any.
    pub fn allow<'a>(&self, origin: Option<&'a str>) -> Option<&'a str> {
        match self {
            Self::Any => Some("*"),
            Self::Listed(_) => origin.filter(|origin| self.admits(Some(origin))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a7_only_listed_origins_may_once_there_is_a_list() {
        for any in [None, Some(""), Some(" , "), Some("*"), Some("https://a.example, *")] {
            let origins = Origins::parse(any);
            assert!(origins.admits(Some("https://evil.example")), "{any:?}");
            assert_eq!(origins.allow(Some("https://evil.example")), Some("*"));
            assert_eq!(origins.allow(None), Some("*"));
        }
        let origins = Origins::parse(Some("https://a.example/, HTTP://localhost:8787"));
        for (origin, is_listed) in [
            ("https://a.example", true),
            ("http://localhost:8787", true),
            ("http://a.example", false),
            ("https://a.example:444", false),
            ("https://a.example.evil.example", false),
            ("https://evil.example", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(origins.admits(Some(origin)), is_listed, "{origin}");
            assert_eq!(origins.allow(Some(origin)), Some(origin).filter(|_| is_listed), "{origin}");
        }
        assert!(origins.admits(None));
        assert_eq!(origins.allow(None), None);
    }
}
