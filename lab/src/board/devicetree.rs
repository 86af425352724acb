//! What a compiled device tree says about a flash: whether it is there, enabled, on the
//! right controller, and what that controller needs before its driver can probe.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};

/// Compatibles of flashes that the tests can unbind.
const FLASHES: [&str; 2] = ["jedec,spi-nor", "spi-nand"];

/// Properties that name nodes without which a driver does not probe, each with the
/// property that says how many cells follow a phandle; none follow without it.
const SUPPLIERS: [(&str, Option<&str>); 9] = [
    ("clocks", Some("#clock-cells")),
    ("resets", Some("#reset-cells")),
    ("power-domains", Some("#power-domain-cells")),
    ("dmas", Some("#dma-cells")),
    ("access-controllers", Some("#access-controller-cells")),
    ("interrupt-parent", None),
    ("interrupts-extended", Some("#interrupt-cells")),
    ("pinctrl-0", None),
    ("assigned-clocks", Some("#clock-cells")),
];

/// So do those that end like this, regulators.
const SUPPLY: &str = "-supply";

/// A node, with what matters of where it stands.
#[derive(Clone, Debug)]
struct Node {
    /// `/soc/spi@0`
    path: String,
    parent: Option<usize>,
    /// It and all above it.
    enabled: bool,
    properties: BTreeMap<String, Vec<u8>>,
}

impl Node {
    fn strings(&self, property: &str) -> Vec<&str> {
        let bytes = self.properties.get(property).map_or(&[][..], Vec::as_slice);
        let parts = bytes.split(|byte| *byte == 0);
        parts
            .filter_map(|part| std::str::from_utf8(part).ok())
            .filter(|part| !part.is_empty())
            .collect()
    }

    fn cells(&self, property: &str) -> Vec<u32> {
        let bytes = self.properties.get(property).map_or(&[][..], Vec::as_slice);
        let (words, _) = bytes.as_chunks::<4>();
        words.iter().map(|word| u32::from_be_bytes(*word)).collect()
    }

    fn is(&self, compatible: &str) -> bool {
        self.strings("compatible").contains(&compatible)
    }
}

/// A device tree, read whole.
#[derive(Clone, Debug)]
pub struct Tree {
    nodes: Vec<Node>,
}

/// What was asked for, found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub controller: String,
    pub flashes: Vec<String>,
    pub console: String,
}

/// A piece of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    pub name: String,
    pub start: u64,
    pub size: u64,
}

impl Region {
    pub fn overlaps(&self, other: &Self) -> bool {
        self.start < other.start.saturating_add(other.size)
            && other.start < self.start.saturating_add(self.size)
    }

    pub fn contains(&self, other: &Self) -> bool {
        self.start <= other.start
            && other.start.saturating_add(other.size) <= self.start.saturating_add(self.size)
    }
}

impl Tree {
    pub fn parse(blob: &[u8]) -> Result<Self> {
        read(blob).context("no device tree, or a broken one")
    }

    fn find(&self, path: &str) -> Option<usize> {
        self.nodes.iter().position(|it| it.path == path)
    }

    /// Finds an enabled flash on a controller with this binding, and the console that
    /// the tree itself names; whatever is not so is an error.
    pub fn check(&self, controller: &str, console: &str) -> Result<Found> {
        let (index, flashes) = self.controller(controller)?;
        let console = self.console(console)?;
        Ok(Found {
            controller: self.nodes[index].path.clone(),
            flashes,
            console: self.nodes[console].path.clone(),
        })
    }

    fn controller(&self, compatible: &str) -> Result<(usize, Vec<String>)> {
        let mut why = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            if !node.is(compatible) {
                continue;
            }
            if !node.enabled {
                why.push(format!("{} is disabled", node.path));
                continue;
            }
            let children = self.nodes.iter().filter(|it| it.parent == Some(index));
            let flashes: Vec<_> = children
                .filter(|it| FLASHES.iter().any(|flash| it.is(flash)))
                .collect();
            let enabled: Vec<_> = flashes.iter().filter(|it| it.enabled).collect();
            if !enabled.is_empty() {
                return Ok((index, enabled.iter().map(|it| it.path.clone()).collect()));
            }
            why.push(match flashes.first() {
                Some(flash) => format!("{} is disabled", flash.path),
                None => format!("{} has no flash", node.path),
            });
        }
        match why.is_empty() {
            true => bail!("no node is compatible with {compatible}"),
            false => bail!(
                "no enabled flash on a controller {compatible}: {}",
                why.join(", ")
            ),
        }
    }

    fn console(&self, compatible: &str) -> Result<usize> {
        let chosen = self.find("/chosen").context("there is no /chosen")?;
        let chosen = self.nodes[chosen].strings("stdout-path");
        let said = chosen.first().context("/chosen has no stdout-path")?;
        let name = said.split(':').next().unwrap_or_default();
        let path = match name.strip_prefix('/') {
            Some(_) => name,
            None => {
                let aliases = self.find("/aliases").map(|it| &self.nodes[it]);
                let alias = aliases.and_then(|it| it.strings(name).first().copied());
                alias.with_context(|| format!("stdout-path {said} is no alias"))?
            }
        };
        let index = self
            .find(path)
            .with_context(|| format!("stdout-path {said} leads nowhere"))?;
        let node = &self.nodes[index];
        if !node.enabled {
            bail!("the console {path} is disabled");
        }
        if !node.is(compatible) {
            bail!(
                "the console {path} is {}, not {compatible}",
                node.strings("compatible").join(", ")
            );
        }
        Ok(index)
    }

    /// The bindings that the node at `path` needs a driver for, and those it depends on, by
    /// way of clocks, resets, pins and so on. One list for each node, of which one is
    /// enough; with the node's path. What its properties in `without` name is left out: its
    /// own, not those of what it depends on.
    pub fn needed(&self, path: &str, without: &[String]) -> Result<BTreeMap<String, Vec<String>>> {
        let first = self.find(path).with_context(|| format!("no node {path}"))?;
        let mut needed = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let mut left = vec![first];
        while let Some(index) = left.pop() {
            if !seen.insert(index) {
                continue;
            }
            let node = &self.nodes[index];
            let list = node.strings("compatible");
            // What the root is called is nothing that a driver binds to.
            if !list.is_empty() && node.parent.is_some() {
                let list = list.into_iter().map(str::to_owned).collect();
                needed.insert(node.path.clone(), list);
            }
            left.extend(self.suppliers(node, if index == first { without } else { &[] })?);
            // A bus has to be probed before what is on it.
            left.extend(node.parent);
        }
        Ok(needed)
    }

    /// The memory that the tree knows of, which is none where boot loaders fill it in.
    pub fn memory(&self) -> Vec<Region> {
        let is_memory = |node: &&Node| node.strings("device_type") == ["memory"];
        let nodes = self.nodes.iter().filter(is_memory);
        nodes.flat_map(|node| self.regions(node)).collect()
    }

    /// What of it is somebody else's, at a fixed place.
    pub fn reserved(&self) -> Vec<Region> {
        let Some(parent) = self.find("/reserved-memory") else {
            return Vec::new();
        };
        let nodes = self.nodes.iter();
        let nodes = nodes.filter(|node| node.parent == Some(parent) && node.enabled);
        nodes.flat_map(|node| self.regions(node)).collect()
    }

    /// What `reg` says, but for what is empty.
    fn regions(&self, node: &Node) -> Vec<Region> {
        let count = |property: &str, default: u32| {
            let above = node.parent.map(|parent| &self.nodes[parent]);
            let cells = above.and_then(|above| above.cells(property).first().copied());
            cells.unwrap_or(default).min(4) as usize
        };
        let (address, size) = (count("#address-cells", 2), count("#size-cells", 1));
        let number = |cells: &[u32]| {
            let add = |sum: u64, cell: &u32| sum << 32 | u64::from(*cell);
            cells.iter().fold(0, add)
        };
        let cells = node.cells("reg");
        let regions = cells.chunks_exact((address + size).max(1));
        let regions = regions.map(|cells| Region {
            name: node.path.clone(),
            start: number(&cells[..address]),
            size: number(&cells[address..]),
        });
        regions.filter(|it| it.size > 0).collect()
    }

    fn suppliers(&self, node: &Node, without: &[String]) -> Result<Vec<usize>> {
        let supplies = node.properties.keys().filter(|it| it.ends_with(SUPPLY));
        let properties = SUPPLIERS.into_iter();
        let properties = properties.chain(supplies.map(|it| (it.as_str(), None)));
        let mut suppliers = Vec::new();
        for (property, count) in properties {
            if without.iter().any(|it| it == property) {
                continue;
            }
            let cells = node.cells(property);
            let mut cells = cells.iter();
            while let Some(phandle) = cells.next() {
                // A place that is left empty.
                if *phandle == 0 {
                    continue;
                }
                let index = self.by_phandle(*phandle).with_context(|| {
                    format!("{}: {property} names no node ({phandle})", node.path)
                })?;
                suppliers.push(index);
                let skip = count.map_or(0, |count| {
                    self.nodes[index].cells(count).first().copied().unwrap_or(0)
                });
                for _ in 0..skip {
                    cells
                        .next()
                        .with_context(|| format!("{}: {property} is too short", node.path))?;
                }
            }
        }
        Ok(suppliers)
    }

    fn by_phandle(&self, phandle: u32) -> Option<usize> {
        let has = |node: &Node| node.cells("phandle") == [phandle];
        self.nodes.iter().position(has)
    }
}

const MAGIC: u32 = 0xd00d_feed;

/// What the structure of a tree consists of.
const BEGIN_NODE: u32 = 1;

const END_NODE: u32 = 2;

const PROPERTY: u32 = 3;

const NOP: u32 = 4;

const END: u32 = 9;

/// Reads a blob (chapter 5 of the device tree's specification) as far as it is needed
/// here. The kernel's trees have longer names than that allows.
fn read(blob: &[u8]) -> Option<Tree> {
    let word = |at: usize| Some(u32::from_be_bytes(*blob.get(at..)?.first_chunk()?));
    let string = |at: usize| -> Option<&str> {
        let rest = blob.get(at..)?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        std::str::from_utf8(&rest[..end]).ok()
    };
    let offset = |at: usize| word(at).map(|it| it as usize);
    if word(0)? != MAGIC {
        return None;
    }
    let (mut at, strings) = (offset(8)?, offset(12)?);
    let mut tree = Tree { nodes: Vec::new() };
    let mut here: Option<usize> = None;
    loop {
        let token = word(at)?;
        at += 4;
        match token {
            BEGIN_NODE => {
                let name = string(at)?;
                at = (at + name.len() + 1).next_multiple_of(4);
                // A second root.
                if here.is_none() && !tree.nodes.is_empty() {
                    return None;
                }
                let path = match here {
                    None => "/".to_owned(),
                    Some(above) => {
                        format!("{}/{name}", tree.nodes[above].path.trim_end_matches('/'))
                    }
                };
                tree.nodes.push(Node {
                    path,
                    parent: here,
                    enabled: true,
                    properties: BTreeMap::new(),
                });
                here = Some(tree.nodes.len() - 1);
            }
            PROPERTY => {
                let (length, name) = (offset(at)?, strings + offset(at + 4)?);
                at += 8;
                let value = blob.get(at..at + length)?.to_owned();
                at = (at + length).next_multiple_of(4);
                let node = &mut tree.nodes[here?];
                node.properties.insert(string(name)?.to_owned(), value);
            }
            END_NODE => here = tree.nodes[here?].parent,
            NOP => (),
            END if here.is_none() && !tree.nodes.is_empty() => break,
            _ => return None,
        }
    }
    // Parents come before their children.
    for index in 0..tree.nodes.len() {
        let above = tree.nodes[index].parent;
        let above = above.is_none_or(|above| tree.nodes[above].enabled);
        let node = &mut tree.nodes[index];
        node.enabled = above && matches!(node.strings("status")[..], [] | ["okay"] | ["ok"]);
    }
    Some(tree)
}

#[cfg(test)]
mod tests;
