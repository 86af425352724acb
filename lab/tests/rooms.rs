//! The rooms of lab/src: imports go downward only, none in a circle, and no file is long.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use walkdir::WalkDir;

/// From the top down. What stands in one line must not import each other.
const ROOMS: [&[&str]; 14] = [
    &["main"],
    &["cli"],
    &["verbs"],
    &["parts"],
    &["check", "bench", "board"],
    &["run"],
    &["judge"],
    &["build"],
    &["data"],
    &["series"],
    &["source"],
    &["lab"],
    &["toolchain"],
    &["base"],
];

/// Lines of a file without its tests.
const LONGEST: usize = 500;

/// A file of lab/src, without its tests.
struct Module {
    name: String,
    lines: usize,
    /// What it imports of the crate, as `room::module::item`.
    imports: BTreeSet<String>,
}

#[derive(Default)]
struct Imports(BTreeSet<String>);

impl<'ast> Visit<'ast> for Imports {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if let syn::UseTree::Path(path) = &item.tree
            && path.ident == "crate"
        {
            self.tree(&path.tree, "");
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path
            .segments
            .iter()
            .map(|it| it.ident.to_string())
            .collect();
        if names[0] == "crate" {
            self.0.insert(names[1..].join("::"));
        }
        visit::visit_path(self, path);
    }

    /// Paths in the arguments of a macro are tokens.
    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.tokens(item.tokens.clone());
    }
}

impl Imports {
    fn tree(&mut self, tree: &syn::UseTree, above: &str) {
        match tree {
            syn::UseTree::Path(it) => self.tree(&it.tree, &format!("{above}{}::", it.ident)),
            syn::UseTree::Group(it) => it.items.iter().for_each(|it| self.tree(it, above)),
            syn::UseTree::Name(it) => drop(self.0.insert(format!("{above}{}", it.ident))),
            syn::UseTree::Rename(it) => drop(self.0.insert(format!("{above}{}", it.ident))),
            syn::UseTree::Glob(_) => drop(self.0.insert(above.to_owned())),
        }
    }

    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Option<String> = None;
        for token in tokens {
            match token {
                TokenTree::Ident(it) if it == "crate" => path = Some(String::new()),
                TokenTree::Ident(it) if path.is_some() => {
                    path = path.map(|path| path + &it.to_string());
                }
                TokenTree::Punct(it) if it.as_char() == ':' => {
                    path = path.map(|path| path + ":");
                }
                other => {
                    self.path(path.take());
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.path(path);
    }

    fn path(&mut self, path: Option<String>) {
        let path = path.map(|path| path.trim_start_matches(':').to_owned());
        self.0.extend(path);
    }
}

fn is_test(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute
            .parse_args::<syn::Path>()
            .is_ok_and(|it| it.is_ident("test"))
}

fn module(name: &str, text: &str) -> Result<Module> {
    let mut file = syn::parse_file(text).with_context(|| format!("{name} is no Rust"))?;
    file.items
        .retain(|item| !matches!(item, syn::Item::Mod(it) if it.attrs.iter().any(is_test)));
    let mut imports = Imports::default();
    imports.visit_file(&file);
    let lines = text.lines().position(|line| line == "#[cfg(test)]");
    Ok(Module {
        name: name.to_owned(),
        lines: lines.unwrap_or_else(|| text.lines().count()),
        imports: imports.0,
    })
}

fn modules() -> Result<Vec<Module>> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut modules = Vec::new();
    for entry in WalkDir::new(&src).sort_by_file_name() {
        let entry = entry?;
        let path = entry.path().strip_prefix(&src)?.with_extension("");
        let name = path.to_string_lossy().replace('/', "::");
        let is_rust = entry.path().extension().is_some_and(|it| it == "rs");
        if is_rust && !name.ends_with("::tests") {
            let name = name.trim_end_matches("::mod");
            modules.push(module(name, &fs::read_to_string(entry.path())?)?);
        }
    }
    Ok(modules)
}

/// How far down a room is.
fn level(module: &str) -> Option<usize> {
    let room = module.split("::").next().unwrap_or_default();
    ROOMS.iter().position(|rooms| rooms.contains(&room))
}

/// What is wrong with what a module imports.
fn upward(module: &Module) -> Vec<String> {
    let room = |name: &str| name.split("::").next().unwrap_or_default().to_owned();
    let is_down = |import: &&String| {
        room(import) == room(&module.name)
            || level(import)
                .zip(level(&module.name))
                .is_some_and(|(import, module)| import > module)
    };
    module
        .imports
        .iter()
        .filter(|import| !is_down(import))
        .map(|import| format!("{} imports {import}", module.name))
        .collect()
}

/// The modules that come back to `start`, if any do.
fn circle(graph: &BTreeMap<&str, BTreeSet<&str>>, start: &str) -> Option<String> {
    let mut known = BTreeSet::new();
    let mut open: Vec<&str> = graph.get(start)?.iter().copied().collect();
    while let Some(next) = open.pop() {
        if next == start {
            return Some(format!("{start} imports itself, by way of others"));
        }
        if known.insert(next) {
            open.extend(graph.get(next).into_iter().flatten());
        }
    }
    None
}

#[test]
fn imports_go_downward() -> Result<()> {
    let wrong: Vec<String> = modules()?.iter().flat_map(upward).collect();
    assert_eq!(wrong, [""; 0]);
    Ok(())
}

#[test]
fn no_module_imports_itself_by_way_of_others() -> Result<()> {
    let modules = modules()?;
    let names: BTreeSet<&str> = modules.iter().map(|it| it.name.as_str()).collect();
    let mut graph: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for module in &modules {
        for import in &module.imports {
            let ends = import.match_indices("::").map(|(end, _)| end);
            let ends: Vec<usize> = ends.chain([import.len()]).collect();
            let found = ends.iter().rev().find_map(|end| names.get(&import[..*end]));
            graph.entry(&module.name).or_default().extend(found);
        }
    }
    let wrong: Vec<String> = names.iter().filter_map(|it| circle(&graph, it)).collect();
    assert_eq!(wrong, [""; 0]);
    Ok(())
}

#[test]
fn no_file_is_long() -> Result<()> {
    let modules = modules()?;
    let long = modules.iter().filter(|it| it.lines > LONGEST);
    let long: Vec<String> = long
        .map(|it| format!("{}: {}", it.name, it.lines))
        .collect();
    assert_eq!(long, [""; 0]);
    Ok(())
}

#[test]
fn what_goes_up_is_found() -> Result<()> {
    let wrong =
        |name: &str, text: &str| -> Result<usize> { Ok(upward(&module(name, text)?).len()) };
    assert_eq!(
        wrong("series::export", "use crate::base::{git, files::key};")?,
        0
    );
    assert_eq!(
        wrong("series::export", "use crate::{base::git, verbs};")?,
        1
    );
    assert_eq!(
        wrong("series::export", "fn f() { crate::run::qemu::boot(1) }")?,
        1
    );
    assert_eq!(
        wrong(
            "base::ui",
            "fn f() { format!(\"{}\", crate::run::x::y(1)); }"
        )?,
        1
    );
    assert_eq!(wrong("check::all", "use crate::board::pack;")?, 1);
    assert_eq!(wrong("check::all", "use crate::check::lint;")?, 0);
    let tests = "#[cfg(test)]\nmod tests { use crate::verbs::demo; }";
    assert_eq!(wrong("base::ui", tests)?, 0);
    Ok(())
}
