//! `roomkeep-bindgen INPUT.wasm FOLDER` writes `index.js` and `index_bg.wasm`, which is INPUT with glue to JavaScript.
//!
//! The command line tool wasm-bindgen does the same with the flags in `scripts/worker.mjs`. It takes six times as long to
//! build, most of it for what it runs tests with: a web server, TLS, compression. So this calls its library.

use std::env;

use anyhow::{Context, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let arguments = env::args().skip(1).collect::<Vec<_>>();
    let [input, folder] = arguments.as_slice() else {
        bail!("roomkeep-bindgen INPUT.wasm FOLDER");
    };
    Bindgen::new()
        .input_path(input)
        .out_name("index")
        .module(true)?
        .typescript(false)
        .reset_state_function(true)
        .force_enable_abort_handler(true)
        .generate(folder)
        .with_context(|| format!("no glue could be made for {input}"))
}
