//! The little of TypeScript that ts-rs writes: taken apart, so that it can be looked at, and laid out as biome does.

use std::iter::Peekable;
use std::vec::IntoIter;

const LINE_CHARS: usize = 120;
const WHOLE: &str = "ts-rs writes whole types";

/// The lines of a doc comment.
pub type Docs = Vec<String>;

/// A type.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A keyword, a literal, or the name of another type.
    Name(String),
    /// An array.
    List(Box<Self>),
    /// One of several.
    Union(Vec<Self>),
    /// An object.
    Object(Object),
}

/// The members of an object.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Object {
    pub members: Vec<Member>,
    /// What all other members are, if there may be others.
    pub rest: Option<Box<Shape>>,
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    pub docs: Docs,
    pub name: String,
    pub is_optional: bool,
    pub shape: Shape,
}

/// A type with its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Declaration {
    pub docs: Docs,
    pub name: String,
    pub shape: Shape,
    /// What is to be said of each type of a union; may be empty.
    pub docs_of_union: Vec<Docs>,
}

impl Shape {
    /// Reads a type. Of a name that is part of an intersection `text_of` gives the type.
    pub fn parse<'a>(text: &str, text_of: &dyn Fn(&str) -> Option<&'a str>) -> Self {
        let mut parser = Parser { tokens: tokens(text).into_iter().peekable(), text_of };
        let shape = parser.union();
        assert_eq!(parser.tokens.next(), None, "{WHOLE}: {text}");
        shape
    }

    /// The types of a union, or the one that it is.
    pub fn options(&self) -> &[Self] {
        match self {
            Self::Union(options) => options,
            Self::Name(_) | Self::List(_) | Self::Object(_) => std::slice::from_ref(self),
        }
    }

    /// The names of all types that this one is made of, the language's own among them.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Name(name) => vec![name],
            Self::List(item) => item.names(),
            Self::Union(options) => options.iter().flat_map(Self::names).collect(),
            Self::Object(Object { members, rest }) => {
                let shapes = members.iter().map(|member| &member.shape).chain(rest.as_deref());
                shapes.flat_map(Self::names).collect()
            }
        }
    }

    /// The type in one line.
    fn inline(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::List(item) if matches!(**item, Self::Union(_)) => format!("({})[]", item.inline()),
            Self::List(item) => format!("{}[]", item.inline()),
            Self::Union(options) => options.iter().map(Self::inline).collect::<Vec<_>>().join(" | "),
            Self::Object(object) => {
                let members = object.lines().into_iter().map(|(_, line)| line).collect::<Vec<_>>();
                format!("{{ {} }}", members.join("; "))
            }
        }
    }
}

impl Object {
    /// Each member as it is written, without a semicolon, with what is said of it.
    fn lines(&self) -> Vec<(&Docs, String)> {
        const NONE: &Docs = &Vec::new();
        let members = self.members.iter().map(|member| {
            let mark = if member.is_optional { "?" } else { "" };
            (&member.docs, format!("{}{mark}: {}", member.name, member.shape.inline()))
        });
        // Where a member may be missing it is `undefined`, and that must fit what is said of all members.
        let missing = if self.members.iter().any(|member| member.is_optional) { " | undefined" } else { "" };
        let rest = self.rest.iter().map(|rest| (NONE, format!("[key: string]: {}{missing}", rest.inline())));
        members.chain(rest).collect()
    }
}

impl Declaration {
    /// The declaration as it stands in a file.
    pub fn print(&self) -> String {
        let start = format!("export type {} =", self.name);
        let line = format!("{start} {};", self.shape.inline());
        let body = match &self.shape {
            Shape::Object(object) if !object.members.is_empty() => {
                let lines = object.lines().into_iter();
                let lines = lines.map(|(docs, line)| format!("{}\t{line};\n", comment(docs, "\t")));
                format!("{start} {{\n{}}};", lines.collect::<String>())
            }
            Shape::Name(_) | Shape::List(_) | Shape::Union(_) | Shape::Object(_)
                if self.docs_of_union.is_empty() && line.len() <= LINE_CHARS =>
            {
                line
            }
            Shape::Name(_) | Shape::List(_) | Shape::Union(_) | Shape::Object(_) => {
                let docs = self.docs_of_union.iter().cloned().chain(std::iter::repeat(Docs::new()));
                let options = self.shape.options().iter().zip(docs);
                let options =
                    options.map(|(option, docs)| format!("\n{}\t| {}", comment(&docs, "\t"), option.inline()));
                format!("{start}{};", options.collect::<String>())
            }
        };
        format!("{}{body}\n", comment(&self.docs, ""))
    }
}

/// A doc comment with a line break behind it, or nothing if there is nothing to say.
fn comment(docs: &Docs, indent: &str) -> String {
    match docs.as_slice() {
        [] => String::new(),
        [line] if line.chars().count() + "\t/**  */".len() <= LINE_CHARS => format!("{indent}/** {line} */\n"),
        lines => {
            let lines = lines.iter().map(|line| format!("{indent} * {line}").trim_end().to_owned() + "\n");
            format!("{indent}/**\n{}{indent} */\n", lines.collect::<String>())
        }
    }
}

/// The first paragraph of a comment as ts-rs or Rust writes it. What comes behind it is for those who read the Rust.
pub fn lines_of(comment: &str) -> Docs {
    let lines = comment.lines().map(|line| line.trim().trim_start_matches(['/', '*']).trim_end_matches("*/").trim());
    lines.skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Comment(Docs),
    /// An identifier or a number.
    Word(String),
    /// A string with its quotes.
    Text(String),
    Mark(char),
}

fn tokens(mut text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    loop {
        text = text.trim_start();
        let Some(first) = text.chars().next() else { return tokens };
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = match first {
            '/' => text.find("*/").expect(WHOLE) + 2,
            '"' => text.get(1..).and_then(|rest| rest.find('"')).expect(WHOLE) + 2,
            first if is_word(first) => text.find(|c| !is_word(c)).unwrap_or(text.len()),
            mark => mark.len_utf8(),
        };
        let (token, rest) = text.split_at(length);
        tokens.push(match first {
            '/' => Token::Comment(lines_of(token)),
            '"' => Token::Text(token.to_owned()),
            first if is_word(first) => Token::Word(token.to_owned()),
            mark => Token::Mark(mark),
        });
        text = rest;
    }
}

struct Parser<'p, 'a> {
    tokens: Peekable<IntoIter<Token>>,
    text_of: &'p dyn Fn(&str) -> Option<&'a str>,
}

impl Parser<'_, '_> {
    fn takes(&mut self, mark: char) -> bool {
        self.tokens.next_if_eq(&Token::Mark(mark)).is_some()
    }

    fn expect(&mut self, mark: char) {
        assert_eq!(self.tokens.next(), Some(Token::Mark(mark)), "{WHOLE}");
    }

    fn union(&mut self) -> Shape {
        let first = self.intersection();
        let mut options = first.options().to_vec();
        while self.takes('|') {
            options.extend_from_slice(self.intersection().options());
        }
        if options.len() == 1 { first } else { Shape::Union(options) }
    }

    /// An intersection of objects is one object.
    fn intersection(&mut self) -> Shape {
        let first = self.list();
        if self.tokens.peek() != Some(&Token::Mark('&')) {
            return first;
        }
        let mut all = self.object_of(first);
        while self.takes('&') {
            let next = self.list();
            let next = self.object_of(next);
            all.members.extend(next.members);
            all.rest = all.rest.or(next.rest);
        }
        Shape::Object(all)
    }

    fn object_of(&self, shape: Shape) -> Object {
        let object = match shape {
            Shape::Object(object) => Some(object),
            Shape::Name(name) => (self.text_of)(&name).map(|text| self.object_of(Shape::parse(text, self.text_of))),
            Shape::List(_) | Shape::Union(_) => None,
        };
        object.expect("only objects are flattened into others")
    }

    fn list(&mut self) -> Shape {
        let mut shape = self.single();
        while self.takes('[') {
            self.expect(']');
            shape = Shape::List(Box::new(shape));
        }
        shape
    }

    fn single(&mut self) -> Shape {
        match self.tokens.next().expect(WHOLE) {
            Token::Mark('{') => Shape::Object(self.object()),
            Token::Mark(mark) => {
                assert_eq!(mark, '(', "{WHOLE}");
                let shape = self.union();
                self.expect(')');
                shape
            }
            Token::Word(word) if word == "typeof" => Shape::Name(format!("typeof {}", self.name())),
            Token::Word(word) if word == "Array" => {
                self.expect('<');
                let item = self.union();
                self.expect('>');
                Shape::List(Box::new(item))
            }
            Token::Word(name) | Token::Text(name) => Shape::Name(name),
            Token::Comment(_) => self.single(),
        }
    }

    /// A word, or a string without its quotes.
    fn name(&mut self) -> String {
        let name = match self.tokens.next() {
            Some(Token::Word(name) | Token::Text(name)) => Some(name.trim_matches('"').to_owned()),
            Some(Token::Comment(_) | Token::Mark(_)) | None => None,
        };
        name.expect(WHOLE)
    }

    fn object(&mut self) -> Object {
        let mut object = Object::default();
        while !self.takes('}') {
            let is_comment = |token: &Token| matches!(token, Token::Comment(_));
            let docs = match self.tokens.next_if(is_comment) {
                Some(Token::Comment(docs)) => docs,
                Some(Token::Word(_) | Token::Text(_) | Token::Mark(_)) | None => Docs::new(),
            };
            if self.takes('[') {
                // `[key in string]` or `[key: string]`.
                while !self.takes(']') {
                    self.tokens.next().expect(WHOLE);
                }
                self.expect(':');
                object.rest = Some(Box::new(self.union()));
            } else {
                let (name, is_optional) = (self.name(), self.takes('?'));
                self.expect(':');
                object.members.push(Member { docs, name, is_optional, shape: self.union() });
            }
            self.tokens.next_if(|token| matches!(token, Token::Mark(',' | ';')));
        }
        object
    }
}

#[test]
fn a_type_is_taken_apart_and_laid_out() {
    let known = |name: &str| (name == "K").then_some("{ }");
    let declaration = |text: &str| {
        let shape = Shape::parse(text, &known);
        Declaration {
            docs: lines_of("/// Says\n/// it.\n///\n/// And more."),
            name: "T".to_owned(),
            shape,
            docs_of_union: Vec::new(),
        }
    };
    let text = "{ \"a\": \"x\", \n/**\n * What.\n */\nb?: Array<N | null>, } & { [key in string]: J } & K";
    let expected = "/**\n * Says\n * it.\n */\nexport type T = {\n\ta: \"x\";\n\t/** What. */\n\tb?: (N | null)[];\n\
        \t[key: string]: J | undefined;\n};\n";
    assert_eq!(declaration(text).print(), expected);
    assert_eq!(declaration(text).shape.names(), ["\"x\"", "N", "null", "J"]);
    assert!(declaration("(A | B) | J[]").print().ends_with("\nexport type T = A | B | J[];\n"));
    let long = "A".repeat(110);
    assert!(declaration(&format!("{long} | B")).print().ends_with(&format!("=\n\t| {long}\n\t| B;\n")));
}
