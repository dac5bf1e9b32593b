//! The runtime's own `URL`, so that no second parser with its tables of names is shipped.

use wasm_bindgen::prelude::*;
use worker::{Request, Result};

#[wasm_bindgen]
extern "C" {
    /// A parsed address. A clone is the same object.
    #[derive(Clone)]
    #[wasm_bindgen(js_name = URL)]
    pub type Url;
    #[wasm_bindgen(constructor, catch, js_class = "URL")]
    fn new(text: &str) -> std::result::Result<Url, JsValue>;
    /// The path, percent-encoded.
    #[wasm_bindgen(method, getter, js_class = "URL")]
    pub fn pathname(this: &Url) -> String;
    /// All of it.
    #[wasm_bindgen(method, getter, js_class = "URL")]
    pub fn href(this: &Url) -> String;
    /// The members of the query. Changes to them change the address.
    #[wasm_bindgen(method, getter, js_class = "URL", js_name = searchParams)]
    pub fn query(this: &Url) -> Query;

    /// `URLSearchParams`.
    pub type Query;
    /// The first member of this name, decoded.
    #[wasm_bindgen(method)]
    pub fn get(this: &Query, name: &str) -> Option<String>;
    /// Adds a member.
    #[wasm_bindgen(method)]
    pub fn append(this: &Query, name: &str, value: &str);
}

/// The address of a request.
///
/// # Errors
/// It has none, although every request from the runtime does.
pub fn url_of(request: &Request) -> Result<Url> {
    Ok(Url::new(&request.inner().url())?)
}

/// Another object for the same address.
///
/// # Errors
/// None, since it is an address.
pub fn copy_of(url: &Url) -> Result<Url> {
    Ok(Url::new(&url.href())?)
}

/// An address for one of our objects: the kind of object, and what is asked of it.
///
/// # Errors
/// The path is not valid.
pub fn url_to(kind: &str, path: &str) -> Result<Url> {
    Ok(Url::new(&format!("https://{kind}/{path}"))?)
}
