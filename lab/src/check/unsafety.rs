//! Where Rust code of the series is `unsafe`: how often in each file, and in drivers only
//! where the allow-list has it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use regex::Regex;
use serde::{Deserialize, Serialize};

/// An entry of `lab/data/check/unsafe.toml`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    pub path: String,
    pub call: String,
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowList {
    allow: Vec<Allowed>,
}

pub fn allow_list(file: &Path) -> Result<Vec<Allowed>> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let list: AllowList =
        toml::from_str(&text).with_context(|| format!("cannot understand {}", file.display()))?;
    for entry in &list.allow {
        if entry.reason.is_empty() {
            bail!("{}: {} has no reason", file.display(), entry.call);
        }
        entry
            .pattern()
            .with_context(|| format!("in {}", file.display()))?;
    }
    Ok(list.allow)
}

impl Allowed {
    fn pattern(&self) -> Result<Regex> {
        Regex::new(&format!("^(?:{})$", self.call)).context("not an expression")
    }
}

/// How often a file says `unsafe`, outside comments and strings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    pub blocks: usize,
    pub functions: usize,
    pub impls: usize,
    /// Traits, `extern` blocks, attributes, and what is not one of the others.
    pub other: usize,
}

impl Count {
    pub fn total(&self) -> usize {
        self.blocks + self.functions + self.impls + self.other
    }
}

/// One `unsafe`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    line: usize,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// What is in it, without white space.
    Block(Vec<String>),
    Function,
    Impl,
    Other,
}

pub fn count(text: &str) -> Result<Count> {
    let mut count = Count::default();
    for place in places(text)? {
        *match place.kind {
            Kind::Block(_) => &mut count.blocks,
            Kind::Function => &mut count.functions,
            Kind::Impl => &mut count.impls,
            Kind::Other => &mut count.other,
        } += 1;
    }
    Ok(count)
}

/// What a driver may not have, a line each.
pub fn judge(path: &str, text: &str, allowed: &[Allowed]) -> Result<Vec<String>> {
    let here: Vec<Regex> = allowed
        .iter()
        .filter(|entry| path.starts_with(&entry.path))
        .map(Allowed::pattern)
        .collect::<Result<_>>()?;
    Ok(places(text)?
        .iter()
        .filter_map(|place| {
            let what = match &place.kind {
                Kind::Block(tokens) => match callee(tokens) {
                    Some(callee) if here.iter().any(|pattern| pattern.is_match(&callee)) => {
                        return None;
                    }
                    Some(callee) => format!("an unsafe call of {callee}"),
                    None => "an unsafe block that is more than one call".to_owned(),
                },
                Kind::Function => "an unsafe function".to_owned(),
                Kind::Impl => "an unsafe impl".to_owned(),
                Kind::Other => "something unsafe".to_owned(),
            };
            Some(format!(
                "{path}:{}: {what}, which lab/data/check/unsafe.toml does not have",
                place.line
            ))
        })
        .collect())
}

/// What is called, when a block is one call and perhaps a `?`; without types.
fn callee(tokens: &[String]) -> Option<String> {
    let tokens = match tokens {
        [rest @ .., last] if last == "?" => rest,
        all => all,
    };
    let mut name = String::new();
    let mut angles = 0usize;
    let mut rest = tokens.iter();
    for token in rest.by_ref() {
        match token.as_str() {
            "<" => angles += 1,
            ">" => angles = angles.checked_sub(1)?,
            "(" if angles == 0 => break,
            _ if angles > 0 => {}
            ":" | "." => name.push_str(token),
            word if word.starts_with(|c: char| c.is_alphanumeric() || c == '_') => {
                name.push_str(word);
            }
            _ => return None,
        }
    }
    let mut depth = 1usize;
    for token in rest.by_ref() {
        match token.as_str() {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    let complete = depth == 0 && rest.next().is_none() && !name.is_empty();
    // A turbofish leaves its colons.
    complete.then(|| {
        let name = name.replace("::::", "::");
        name.trim_end_matches(':').to_owned()
    })
}

fn places(text: &str) -> Result<Vec<Place>> {
    let tokens = tokens(text)?;
    let mut places = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        if token.text != "unsafe" {
            continue;
        }
        let mut next = tokens[index + 1..].iter();
        let kind = match next.next().map(|token| token.text.as_str()) {
            Some("{") => Kind::Block(block(next.map(|token| &token.text))),
            Some("impl") => Kind::Impl,
            Some("fn") => Kind::Function,
            // `extern "C" fn`, not `extern "C" {`.
            Some("extern") if next.take(2).any(|token| token.text == "fn") => Kind::Function,
            _ => Kind::Other,
        };
        places.push(Place {
            line: token.line,
            kind,
        });
    }
    Ok(places)
}

/// The tokens up to the brace that closes the block.
fn block<'a>(tokens: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut depth = 1usize;
    tokens
        .take_while(|token| {
            match token.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            depth > 0
        })
        .cloned()
        .collect()
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    text: String,
    line: usize,
}

/// The tokens of a file, groups taken apart; a string or character literal is `""`.
fn tokens(text: &str) -> Result<Vec<Token>> {
    let stream: TokenStream = text.parse().map_err(|error| anyhow!("{error}"))?;
    let mut tokens = Vec::new();
    flatten(stream, &mut tokens);
    Ok(tokens)
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    let token = |text: &str, span: Span| Token {
        text: text.to_owned(),
        line: span.start().line,
    };
    for tree in stream {
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                tokens.push(token(open, group.span_open()));
                flatten(group.stream(), tokens);
                tokens.push(token(close, group.span_close()));
            }
            TokenTree::Literal(it) if it.to_string().contains(['"', '\'']) => {
                tokens.push(token("\"\"", it.span()));
            }
            other => tokens.push(token(&other.to_string(), other.span())),
        }
    }
}

#[cfg(test)]
mod tests;
