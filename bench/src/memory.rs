//! How much memory the server takes: what Linux tells of its process, and what it tells of its WebAssembly.

use clap::Args;
use serde::{Deserialize, Serialize};
use std::fs;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const BYTES_PER_KIB: u64 = 1024;
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

#[derive(Args)]
pub struct Gauge {
    /// Where the server tells the size of its WebAssembly memory, as JSON with a number `wasmBytes`.
    #[arg(long)]
    memory_url: Option<String>,
}

/// In bytes, as far as it can be known.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    /// What the process holds in RAM.
    pub rss: Option<u64>,
    pub wasm: Option<u64>,
}

impl Gauge {
    pub async fn read(&self, server: Option<u32>) -> Result<Memory, String> {
        let wasm = match &self.memory_url {
            Some(url) => Some(wasm(url).await.map_err(|error| format!("{url}: {error}"))?),
            None => None,
        };
        Ok(Memory { rss: server.map(rss).transpose()?, wasm })
    }
}

fn rss(pid: u32) -> Result<u64, String> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    resident(&status).ok_or_else(|| format!("{path} is not understood: {status}"))
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kib * BYTES_PER_KIB)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    wasm_bytes: u64,
}

async fn wasm(url: &str) -> Result<u64, String> {
    let response = timeout(ANSWER_WITHIN, get(url)).await.map_err(|_| "no answer".to_owned())??;
    let body = body(&response).ok_or_else(|| format!("not understood: {response}"))?;
    let told: Told = serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
    Ok(told.wasm_bytes)
}

/// The whole response. One small question to a server on this machine needs no HTTP library.
async fn get(url: &str) -> Result<String, String> {
    let address = url.strip_prefix("http://").ok_or("the address begins with http://")?;
    let (host, path) = address.split_once('/').unwrap_or((address, ""));
    let request = format!("GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    let mut stream = TcpStream::connect(host).await.map_err(|error| error.to_string())?;
    stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await.map_err(|error| error.to_string())?;
    Ok(response)
}

/// The body of a response that is a success, whether or not it comes in chunks.
fn body(response: &str) -> Option<String> {
    let (head, mut rest) = response.split_once("\r\n\r\n")?;
    let head = head.to_ascii_lowercase();
    if head.split_whitespace().nth(1) != Some("200") {
        return None;
    }
    if !head.lines().any(|line| line.starts_with("transfer-encoding:") && line.contains("chunked")) {
        return Some(rest.to_owned());
    }
    let mut body = String::new();
    loop {
        let (length, after) = rest.split_once("\r\n")?;
        let length = usize::from_str_radix(length.split(';').next()?.trim(), 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.push_str(after.get(..length)?);
        rest = after.get(length..)?.strip_prefix("\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resident_size_is_read_in_bytes() {
        let status = "Name:\tVmRSS: x\nVmPeak:\t  100 kB\nVmHWM:\t  90 kB\nVmRSS:\t   2048 kB\nRssAnon:\t 1 kB\n";
        assert_eq!(resident(status), Some(2 << 20));
        assert_eq!(resident("Name:\tzombie\n"), None);
        assert!(rss(std::process::id()).unwrap() > 0);
    }

    #[test]
    fn a_body_is_read_with_and_without_chunks() {
        let plain = "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"wasmBytes\":1}";
        assert_eq!(body(plain).as_deref(), Some("{\"wasmBytes\":1}"));
        let chunked =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"was\r\nA\r\nmBytes\":1}\r\n0\r\n\r\n";
        assert_eq!(body(chunked).as_deref(), Some("{\"wasmBytes\":1}"));
        assert_eq!(body(&chunked[..chunked.len() - 10]), None);
        assert_eq!(body("HTTP/1.1 404 Not Found\r\n\r\nnothing"), None);
    }
}
