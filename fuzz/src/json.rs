//! A second reader of JSON, written from RFC 8259 and for nothing but to disagree with the first: it recurses where
//! serde_json scans, knows of all keys where the room knows of some, and says what the room must find.

/// A piece of JSON and where it stands.
#[derive(Debug)]
pub struct Node<'a> {
    /// As it was written.
    pub raw: &'a str,
    /// What it is.
    pub kind: Kind<'a>,
}

/// What a piece of JSON is.
#[derive(Debug)]
pub enum Kind<'a> {
    /// Its members as they come, doubled keys too. A key with half a surrogate pair is `None`.
    Object(Vec<(Option<String>, Node<'a>)>),
    Array(Vec<Node<'a>>),
    /// `None`: it holds half a surrogate pair.
    String(Option<String>),
    Number,
    /// `true`, `false` or `null`.
    Word,
}

/// A whole text.
#[derive(Debug)]
pub struct Document<'a> {
    pub root: Node<'a>,
    /// The text without the white space between its tokens.
    pub tokens: Vec<&'a str>,
    /// How many arrays and objects stand inside each other at the deepest place.
    pub depth: usize,
    /// Whether a string or a key holds half a surrogate pair.
    pub has_lone_surrogate: bool,
}

/// Deeper than any frame that a room takes, and not so deep that reading it would use up the stack.
const TOO_DEEP: usize = 4_000;

struct Reader<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<&'a str>,
    depth: usize,
    deepest: usize,
    has_lone_surrogate: bool,
}

/// Reads a text. `None`: it is no JSON.
pub fn read(text: &str) -> Option<Document<'_>> {
    let mut reader = Reader { text, at: 0, tokens: Vec::new(), depth: 0, deepest: 0, has_lone_surrogate: false };
    let root = reader.node()?;
    reader.space();
    let Reader { at, tokens, deepest, has_lone_surrogate, .. } = reader;
    (at == text.len()).then_some(Document { root, tokens, depth: deepest, has_lone_surrogate })
}

impl<'a> Node<'a> {
    /// The members, if it is an object.
    pub fn members(&self) -> Option<&[(Option<String>, Node<'a>)]> {
        match &self.kind {
            Kind::Object(members) => Some(members),
            Kind::Array(_) | Kind::String(_) | Kind::Number | Kind::Word => None,
        }
    }

    /// The first member of this name.
    pub fn get(&self, key: &str) -> Option<&Node<'a>> {
        self.members()?.iter().find(|(name, _)| name.as_deref() == Some(key)).map(|(_, node)| node)
    }

    /// The string that it is.
    pub fn string(&self) -> Option<&str> {
        match &self.kind {
            Kind::String(text) => text.as_deref(),
            Kind::Object(_) | Kind::Array(_) | Kind::Number | Kind::Word => None,
        }
    }

    /// The number that it is, if it is an integer from 0.
    pub fn integer(&self) -> Option<u64> {
        self.raw.parse().ok().filter(|_| matches!(self.kind, Kind::Number))
    }

    /// Whether it is an object in which a key stands twice.
    pub fn has_duplicate_keys(&self) -> bool {
        let mut keys = self.members().unwrap_or_default().iter().map(|(key, _)| key).collect::<Vec<_>>();
        keys.sort_unstable();
        keys.windows(2).any(|pair| pair[0] == pair[1])
    }
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Takes this byte as a token, if it is the next one.
    fn mark(&mut self, byte: u8) -> Option<()> {
        self.space();
        (self.peek() == Some(byte)).then(|| {
            self.tokens.push(&self.text[self.at..=self.at]);
            self.at += 1;
        })
    }

    fn node(&mut self) -> Option<Node<'a>> {
        self.space();
        let start = self.at;
        let kind = match self.peek()? {
            b'{' => self.nested(Self::object)?,
            b'[' => self.nested(Self::array)?,
            b'"' => Kind::String(self.string()?),
            b'-' | b'0'..=b'9' => self.number()?,
            _ => self.word()?,
        };
        Some(Node { raw: &self.text[start..self.at], kind })
    }

    fn nested(&mut self, read: fn(&mut Self) -> Option<Kind<'a>>) -> Option<Kind<'a>> {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        let kind = if self.depth > TOO_DEEP { None } else { read(self) };
        self.depth -= 1;
        kind
    }

    fn object(&mut self) -> Option<Kind<'a>> {
        self.mark(b'{')?;
        let mut members = Vec::new();
        if self.mark(b'}').is_some() {
            return Some(Kind::Object(members));
        }
        loop {
            self.space();
            let key = self.string()?;
            self.mark(b':')?;
            members.push((key, self.node()?));
            if self.mark(b',').is_none() {
                self.mark(b'}')?;
                return Some(Kind::Object(members));
            }
        }
    }

    fn array(&mut self) -> Option<Kind<'a>> {
        self.mark(b'[')?;
        let mut items = Vec::new();
        if self.mark(b']').is_some() {
            return Some(Kind::Array(items));
        }
        loop {
            items.push(self.node()?);
            if self.mark(b',').is_none() {
                self.mark(b']')?;
                return Some(Kind::Array(items));
            }
        }
    }

    /// A string as UTF-16, which is what its escapes are about; `Some(None)` where that is no text.
    fn string(&mut self) -> Option<Option<String>> {
        let start = self.at;
        if self.peek()? != b'"' {
            return None;
        }
        self.at += 1;
        let mut units = Vec::new();
        loop {
            let next = self.text[self.at..].chars().next()?;
            self.at += next.len_utf8();
            match next {
                '"' => break,
                '\\' => units.push(self.escape()?),
                '\0'..='\x1f' => return None,
                _ => units.extend_from_slice(next.encode_utf16(&mut [0; 2])),
            }
        }
        self.tokens.push(&self.text[start..self.at]);
        let text = String::from_utf16(&units).ok();
        self.has_lone_surrogate |= text.is_none();
        Some(text)
    }

    fn escape(&mut self) -> Option<u16> {
        let byte = self.peek()?;
        self.at += 1;
        let unit = match byte {
            b'"' | b'\\' | b'/' => u16::from(byte),
            b'b' => 8,
            b'f' => 12,
            b'n' => 10,
            b'r' => 13,
            b't' => 9,
            b'u' => {
                let digits = self.text.get(self.at..self.at + 4)?;
                self.at += 4;
                let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
                u16::from_str_radix(digits, 16).ok().filter(|_| is_hex)?
            }
            _ => return None,
        };
        Some(unit)
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn number(&mut self) -> Option<Kind<'a>> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        self.tokens.push(&self.text[start..self.at]);
        Some(Kind::Number)
    }

    fn word(&mut self) -> Option<Kind<'a>> {
        let rest = &self.text[self.at..];
        let word = ["true", "false", "null"].into_iter().find(|word| rest.starts_with(word))?;
        self.tokens.push(&rest[..word.len()]);
        self.at += word.len();
        Some(Kind::Word)
    }
}
