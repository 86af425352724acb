use super::*;
use crate::base::paths::Paths;

#[test]
fn only_code_counts() -> Result<()> {
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
    let count = count(text)?;
    assert_eq!(
        (count.blocks, count.functions, count.impls, count.other),
        (2, 2, 1, 2)
    );
    assert_eq!(count.total(), 7);
    Ok(())
}

#[test]
fn lines_are_those_of_the_file() -> Result<()> {
    let text = "/*\n\n*/ \"\n\"; unsafe\nimpl A for B {}\nunsafe { x() }";
    let lines: Vec<usize> = places(text)?.iter().map(|place| place.line).collect();
    assert_eq!(lines, [4, 6]);
    Ok(())
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
    let text = "unsafe { spi::mem::Registration::new(a)? }; unsafe { irq::Registration::new(b) }";
    assert_eq!(judge("drivers/spi/x.rs", text, &list)?.len(), 0);
    Ok(())
}
