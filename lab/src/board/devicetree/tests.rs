use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};

use super::*;

/// Words of four bytes, as `<1 2>` in a source.
fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|it| it.to_be_bytes()).collect()
}

fn node(name: &str, properties: &[(&str, &[u8])], children: Vec<DeviceTreeNode>) -> DeviceTreeNode {
    let mut node = DeviceTreeNode::new(name).expect("a name of a test");
    for (name, value) in properties {
        node.add_property(DeviceTreeProperty::new(*name, *value).expect("a property of a test"));
    }
    for child in children {
        node.add_child(child);
    }
    node
}

/// A board's tree: a controller with two flashes behind a clock behind firmware, and
/// a console with an alias.
fn board(edit: impl FnOnce(&mut DeviceTree)) -> Tree {
    let mut tree = DeviceTree::new();
    let firmware = node(
        "scmi",
        &[("compatible", b"linaro,scmi-optee\0")],
        vec![node(
            "protocol@14",
            &[("phandle", &words(&[7])), ("#clock-cells", &words(&[1]))],
            vec![],
        )],
    );
    let controller = node(
        "spi@1",
        &[
            ("compatible", b"new,qspi\0old,qspi\0"),
            ("clocks", &words(&[7, 3, 7, 4])),
            ("pinctrl-0", &words(&[9])),
        ],
        vec![
            node(
                "flash@0",
                &[("compatible", b"mt25\0jedec,spi-nor\0")],
                vec![],
            ),
            node(
                "flash@1",
                &[
                    ("compatible", b"jedec,spi-nor\0"),
                    ("status", b"disabled\0"),
                ],
                vec![],
            ),
        ],
    );
    let pins = node(
        "pinctrl@2",
        &[("compatible", b"some,pins\0")],
        vec![node("group", &[("phandle", &words(&[9]))], vec![])],
    );
    let console = node("serial@3", &[("compatible", b"ns16550a\0")], vec![]);
    let soc = node(
        "soc",
        &[("compatible", b"simple-bus\0")],
        vec![controller, pins, console],
    );
    for child in [
        node("aliases", &[("serial0", b"/soc/serial@3\0")], vec![]),
        node("chosen", &[("stdout-path", b"serial0:115200n8\0")], vec![]),
        firmware,
        soc,
    ] {
        tree.root.add_child(child);
    }
    edit(&mut tree);
    Tree::parse(&tree.to_dtb()).expect("what was just made is a device tree")
}

fn set(tree: &mut DeviceTree, path: &str, name: &str, value: &[u8]) {
    let node = tree.find_node_mut(path).expect("a node of the test");
    node.add_property(DeviceTreeProperty::new(name, value).expect("a property of a test"));
}

fn error(tree: &Tree) -> String {
    let result = tree.check("old,qspi", "ns16550a");
    result.expect_err("the tree is wrong").to_string()
}

#[test]
fn flash_controller_and_console_are_found() -> Result<()> {
    let found = board(|_| ()).check("old,qspi", "ns16550a")?;
    assert_eq!(found.controller, "/soc/spi@1");
    assert_eq!(found.flashes, ["/soc/spi@1/flash@0"]);
    assert_eq!(found.console, "/soc/serial@3");
    Ok(())
}

#[test]
fn what_is_disabled_above_is_disabled() {
    let disabled = |path: &str| {
        let tree = board(|tree| set(tree, path, "status", b"disabled\0"));
        error(&tree)
    };
    assert!(disabled("/soc/spi@1").contains("/soc/spi@1 is disabled"));
    assert!(disabled("/soc/spi@1/flash@0").contains("/soc/spi@1/flash@0 is disabled"));
    assert!(disabled("/soc").contains("/soc/spi@1 is disabled"));
    assert!(disabled("/soc/serial@3").contains("the console /soc/serial@3 is disabled"));
    // What is reserved or failed is not used either.
    let tree = board(|tree| set(tree, "/soc", "status", b"reserved\0"));
    assert!(error(&tree).contains("disabled"));
}

#[test]
fn another_controller_or_flash_will_not_do() {
    let tree = board(|tree| set(tree, "/soc/spi@1", "compatible", b"other\0"));
    assert_eq!(error(&tree), "no node is compatible with old,qspi");
    let flash = "/soc/spi@1/flash@0";
    let tree = board(|tree| set(tree, flash, "compatible", b"rohm,dh2228fv\0"));
    assert!(error(&tree).contains("flash@1 is disabled"));
}

#[test]
fn a_console_has_to_be_the_expected_one() {
    let chosen = |value: &[u8]| {
        let value = value.to_owned();
        error(&board(|tree| set(tree, "/chosen", "stdout-path", &value)))
    };
    assert!(chosen(b"serial7\0").contains("serial7 is no alias"));
    assert!(chosen(b"/soc/nothing\0").contains("leads nowhere"));
    assert!(chosen(b"/soc/spi@1\0").contains("not ns16550a"));
}

#[test]
fn what_a_driver_waits_for_is_followed() -> Result<()> {
    let needed = board(|_| ()).needed("/soc/spi@1", &[])?;
    let paths: Vec<_> = needed.keys().map(String::as_str).collect();
    assert_eq!(paths, ["/scmi", "/soc", "/soc/pinctrl@2", "/soc/spi@1"]);
    assert_eq!(needed["/soc/spi@1"], ["new,qspi", "old,qspi"]);
    let tree = board(|tree| set(tree, "/soc/spi@1", "clocks", &words(&[7])));
    assert!(tree.needed("/soc/spi@1", &[]).is_err());
    let tree = board(|tree| set(tree, "/soc/spi@1", "resets", &words(&[99])));
    assert!(tree.needed("/soc/spi@1", &[]).is_err());
    Ok(())
}

#[test]
fn what_a_driver_does_without_is_not_followed() -> Result<()> {
    let without = ["clocks".to_owned()];
    let tree = board(|_| ());
    let needed = tree.needed("/soc/spi@1", &without)?;
    let paths: Vec<_> = needed.keys().map(String::as_str).collect();
    assert_eq!(paths, ["/soc", "/soc/pinctrl@2", "/soc/spi@1"]);
    // But what it depends on may need the same.
    let tree = board(|tree| set(tree, "/soc/pinctrl@2", "clocks", &words(&[7, 1])));
    let needed = tree.needed("/soc/spi@1", &without)?;
    assert!(needed.contains_key("/scmi"));
    Ok(())
}

#[test]
fn regulators_and_interrupts_are_followed_past_empty_places() -> Result<()> {
    let tree = board(|tree| {
        set(tree, "/soc/serial@3", "vcc-supply", &words(&[9]));
        let list = words(&[0, 7, 5, 6, 0]);
        set(tree, "/soc/serial@3", "interrupts-extended", &list);
        set(tree, "/scmi/protocol@14", "#interrupt-cells", &words(&[2]));
    });
    let needed = tree.needed("/soc/serial@3", &[])?;
    let paths: Vec<_> = needed.keys().map(String::as_str).collect();
    assert_eq!(paths, ["/scmi", "/soc", "/soc/pinctrl@2", "/soc/serial@3"]);
    Ok(())
}

#[test]
fn memory_and_what_is_reserved_of_it() {
    let tree = board(|tree| {
        tree.root.add_child(node(
            "memory@80000000",
            &[
                ("device_type", b"memory\0"),
                ("reg", &words(&[0, 0x8000_0000, 0x4000_0000, 8, 0, 0])),
            ],
            vec![],
        ));
        let reg = words(&[0, 0x8200_0000, 0, 0x200_0000]);
        tree.root.add_child(node(
            "reserved-memory",
            &[
                ("#address-cells", &words(&[2])),
                ("#size-cells", &words(&[2])),
            ],
            vec![
                node("optee@82000000", &[("reg", &reg)], vec![]),
                node("pool", &[("size", &words(&[0, 0x1000]))], vec![]),
                node("off@0", &[("reg", &reg), ("status", b"disabled\0")], vec![]),
            ],
        ));
    });
    let region = |name: &str, start, size| Region {
        name: name.to_owned(),
        start,
        size,
    };
    let memory = region("/memory@80000000", 0x8000_0000, 0x4000_0000);
    let reserved = region("/reserved-memory/optee@82000000", 0x8200_0000, 0x200_0000);
    assert_eq!(&tree.memory()[..], std::slice::from_ref(&memory));
    assert_eq!(&tree.reserved()[..], std::slice::from_ref(&reserved));
    assert!(memory.contains(&reserved) && !reserved.contains(&memory));
    assert!(memory.overlaps(&reserved) && reserved.overlaps(&memory));
    let behind = region("", 0x8400_0000, 1);
    assert!(!behind.overlaps(&reserved) && !reserved.overlaps(&behind));
}

#[test]
fn what_is_no_device_tree_is_told() {
    let error = Tree::parse(b"MZ, a kernel").expect_err("this is none");
    assert!(error.to_string().starts_with("no device tree"), "{error}");
}

#[test]
fn a_tree_that_is_cut_or_damaged_is_refused_or_read_but_never_a_panic() {
    let mut tree = DeviceTree::new();
    tree.root
        .add_child(node("a", &[("compatible", b"x\0")], vec![]));
    let blob = tree.to_dtb();
    assert!(Tree::parse(&blob).is_ok());
    // Strings come last; without their end there is no name for the property.
    for length in 0..blob.len() {
        assert!(Tree::parse(&blob[..length]).is_err(), "{length}");
    }
    for at in 0..blob.len() {
        for value in [0, 1, 2, 3, 9, 0x7f, 0xff] {
            let mut blob = blob.clone();
            blob[at] = value;
            let _ = Tree::parse(&blob);
        }
    }
}

#[test]
fn names_may_be_longer_than_the_specification_allows() -> Result<()> {
    let name = "samsung,picophy-pre-emp-curr-control-and-more";
    let mut tree = DeviceTree::new();
    // The crate that makes the test's trees refuses such names: a short one is made,
    // and its string replaced, at the very end of the blob.
    tree.root
        .add_child(node("a", &[("placeholder", b"x\0")], vec![]));
    let mut blob = tree.to_dtb();
    let at = blob
        .windows(12)
        .position(|it| it == b"placeholder\0")
        .context("the name is there")?;
    blob.truncate(at);
    blob.extend_from_slice(name.as_bytes());
    blob.push(0);
    let tree = Tree::parse(&blob)?;
    assert!(tree.nodes[1].properties.contains_key(name));
    Ok(())
}
