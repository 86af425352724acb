//! Where Rust code of the series is `unsafe`: how often in each file, and in drivers only
//! where the allow-list has it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
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

pub fn count(text: &str) -> Count {
    let mut count = Count::default();
    for place in places(text) {
        *match place.kind {
            Kind::Block(_) => &mut count.blocks,
            Kind::Function => &mut count.functions,
            Kind::Impl => &mut count.impls,
            Kind::Other => &mut count.other,
        } += 1;
    }
    count
}

/// What a driver may not have, a line each.
pub fn judge(path: &str, text: &str, allowed: &[Allowed]) -> Result<Vec<String>> {
    let here: Vec<Regex> = allowed
        .iter()
        .filter(|entry| path.starts_with(&entry.path))
        .map(Allowed::pattern)
        .collect::<Result<_>>()?;
    Ok(places(text)
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

fn places(text: &str) -> Vec<Place> {
    let tokens = tokens(text);
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
    places
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

/// Words and single characters; a string or character literal is `""`.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let mut tokens = Vec::new();
    let (mut index, mut line) = (0, 1);
    while index < chars.len() {
        let start = index;
        let begun = line;
        let mut literal = false;
        match at(index) {
            '/' if at(index + 1) == '/' => {
                while index < chars.len() && at(index) != '\n' {
                    index += 1;
                }
                continue;
            }
            '/' if at(index + 1) == '*' => {
                let mut depth = 0usize;
                while index < chars.len() {
                    match (at(index), at(index + 1)) {
                        ('/', '*') => (depth, index) = (depth + 1, index + 2),
                        ('*', '/') => (depth, index) = (depth - 1, index + 2),
                        _ => index += 1,
                    }
                    if depth == 0 {
                        break;
                    }
                }
                line += chars[start..index].iter().filter(|c| **c == '\n').count();
                continue;
            }
            '"' => {
                index = quoted(&chars, index + 1, '"');
                literal = true;
            }
            '\'' if at(index + 1) == '\\' || at(index + 2) == '\'' => {
                index = quoted(&chars, index + 1, '\'');
                literal = true;
            }
            c if c.is_alphanumeric() || c == '_' => {
                while at(index).is_alphanumeric() || at(index) == '_' {
                    index += 1;
                }
                let word: String = chars[start..index].iter().collect();
                if matches!(word.as_str(), "r" | "br" | "cr")
                    && let Some(end) = raw(&chars, index)
                {
                    index = end;
                    literal = true;
                }
            }
            _ => index += 1,
        }
        let text: String = chars[start..index].iter().collect();
        line += text.matches('\n').count();
        if literal {
            tokens.push(Token {
                text: "\"\"".to_owned(),
                line: begun,
            });
        } else if !text.trim().is_empty() {
            tokens.push(Token { text, line: begun });
        }
    }
    tokens
}

/// The index after the literal that ends with `end`.
fn quoted(chars: &[char], mut index: usize, end: char) -> usize {
    while let Some(c) = chars.get(index) {
        match c {
            '\\' => index += 2,
            c if *c == end => return index + 1,
            _ => index += 1,
        }
    }
    chars.len()
}

/// The index after a raw string whose `r` was before `index`.
fn raw(chars: &[char], index: usize) -> Option<usize> {
    let hashes = chars[index..].iter().take_while(|c| **c == '#').count();
    if chars.get(index + hashes) != Some(&'"') {
        return None;
    }
    let mut end = vec!['"'];
    end.resize(hashes + 1, '#');
    let start = index + hashes + 1;
    let length = chars[start..]
        .windows(end.len())
        .position(|window| window == end)?;
    Some(start + length + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::Paths;

    #[test]
    fn only_code_counts() {
        let text = r###"
// unsafe {
/* unsafe { /* unsafe { */ unsafe { */
/// unsafe {
fn f<'a>(c: char) { let s = "unsafe { \" unsafe {"; let r = r#"unsafe { ""#; let q = '"'; }
const C: &CStr = c"unsafe {";
unsafe impl Send for X {}
unsafe fn g() {}
unsafe extern "C" fn h() {}
unsafe extern "C" { fn k(); }
#[unsafe(no_mangle)]
fn l() { unsafe { a() }; unsafe { b() } }
let r#unsafe_ = 1;
"###;
        let count = count(text);
        assert_eq!(
            (count.blocks, count.functions, count.impls, count.other),
            (2, 2, 1, 2)
        );
        assert_eq!(count.total(), 7);
    }

    #[test]
    fn lines_are_those_of_the_file() {
        let text = "/*\n\n*/ \"\n\"; unsafe\nimpl A for B {}\nunsafe { x() }";
        let lines: Vec<usize> = places(text).iter().map(|place| place.line).collect();
        assert_eq!(lines, [4, 6]);
    }

    fn allowed() -> Vec<Allowed> {
        vec![Allowed {
            path: "drivers/".into(),
            call: r"(kernel::)?spi::Registration::new|\w+\.request_irq_by_index".into(),
            reason: "r".into(),
        }]
    }

    #[test]
    fn a_driver_may_call_what_is_listed_and_nothing_else() -> Result<()> {
        let good = [
            "unsafe { spi::Registration::new(a, b(c, (d)))? }",
            "unsafe { kernel::spi::Registration::<'_, Foo<Bar>>::new(a) }",
            "unsafe { spi::Registration::new::<Error>(a)\n? }",
            "unsafe { pdev.request_irq_by_index(a, 0, c\"n\", h) }",
        ];
        for text in good {
            assert_eq!(judge("drivers/a.rs", text, &allowed())?.len(), 0, "{text}");
            assert_eq!(judge("samples/a.rs", text, &allowed())?.len(), 1, "{text}");
        }
        let bad = [
            "unsafe { other::Registration::new(a) }",
            "unsafe { spi::Registration::new(a).data() }",
            "unsafe { spi::Registration::new(a); b() }",
            "unsafe { b(); spi::Registration::new(a) }",
            "unsafe { *p }",
            "unsafe { bindings::writel(0, p) }",
            "unsafe { let r = spi::Registration::new(a); r }",
            "unsafe {}",
            "unsafe impl Send for X {}",
            "unsafe fn f() {}",
            "#[unsafe(no_mangle)] fn f() {}",
        ];
        for text in bad {
            assert_eq!(judge("drivers/a.rs", text, &allowed())?.len(), 1, "{text}");
        }
        Ok(())
    }

    #[test]
    fn the_committed_allow_list_reads() -> Result<()> {
        let list = allow_list(&Paths::find()?.data().join("check/unsafe.toml"))?;
        let text = "unsafe { spi::Registration::new(a)? }; unsafe { irq::Registration::new(b) }";
        assert_eq!(judge("drivers/spi/x.rs", text, &list)?.len(), 0);
        Ok(())
    }
}
