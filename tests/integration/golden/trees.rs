//! What the golden snapshots hold.

use super::things::{Is, Part, Thing, noise};
use holdall::manifest::{Necessity, State};

const PRIVATE_ATTRIBUTE: u32 = 40_000;

/// The file that several snapshots share.
pub(crate) fn shared_chunks() -> Vec<Part> {
    (0..4).map(|seed| Part::Chunk(noise(seed, 900))).collect()
}

/// The snapshot with everything in it that can be restored.
pub(crate) fn full() -> Vec<Thing> {
    let mut things = vec![
        Thing::new("", Is::Ancestor).mtime(1_500_000_000, 5),
        Thing::new("srv", Is::Ancestor).mode(0o711),
        Thing::new("srv/golden", Is::Directory).mode(0o1777).owner(12345, 54321),
    ];
    things.extend(kinds().chain(contents()).chain(holes()).chain(links()));
    things.extend(metadata().chain(names()).chain(deep()).chain(many()));
    things
}

fn at(name: impl AsRef<[u8]>) -> Vec<u8> {
    [&b"srv/golden/"[..], name.as_ref()].concat()
}

fn kinds() -> impl Iterator<Item = Thing> {
    [
        ("kinds", Is::Directory),
        ("kinds/block", Is::Block(7, 200)),
        ("kinds/character", Is::Character(1, 3)),
        ("kinds/directory", Is::Directory),
        ("kinds/fifo", Is::Fifo),
        ("kinds/file", Is::Inline(b"a file".to_vec())),
        ("kinds/link", Is::Symlink(b"nowhere/\xff".to_vec())),
        ("kinds/outside", Is::Symlink(b"../../../../../../etc".to_vec())),
        ("kinds/socket", Is::Socket),
    ]
    .into_iter()
    .map(|(name, is)| Thing::new(at(name), is))
}

fn contents() -> impl Iterator<Item = Thing> {
    let few = vec![Part::Chunk(noise(10, 5000)), Part::Zeros(100_000), Part::Chunk(noise(11, 1))];
    let mut list: Vec<Part> = (100..300).map(|seed| Part::Chunk(noise(seed, 60))).collect();
    list.insert(150, Part::Zeros(1 << 20));
    list.extend(shared_chunks());
    let repeated = vec![Part::Chunk(b"again and ".repeat(50)); 300];
    [
        ("contents", Is::Directory),
        ("contents/empty", Is::Inline(Vec::new())),
        ("contents/inline", Is::Inline(noise(12, 4096))),
        ("contents/one byte", Is::Parts(vec![Part::Chunk(b"1".to_vec())])),
        ("contents/large chunk", Is::Parts(vec![Part::Chunk(b"large ".repeat(60_000))])),
        ("contents/few items", Is::Parts(few)),
        ("contents/four items", Is::Parts(shared_chunks())),
        ("contents/long list", Is::Parts(list)),
        ("contents/one chunk many times", Is::Parts(repeated)),
        ("contents/zeros", Is::Parts(vec![Part::Zeros(70_001)])),
    ]
    .into_iter()
    .map(|(name, is)| Thing::new(at(name), is))
}

fn holes() -> impl Iterator<Item = Thing> {
    let block = || Part::Chunk(b"data".repeat(1024));
    let around = vec![Part::Chunk([noise(20, 4096), vec![0; 8192], noise(21, 100)].concat()), Part::Zeros(200_000)];
    let comb = (0..1300).map(|turn| if turn % 2 == 0 { block() } else { Part::Zeros(4096) }).collect();
    let comb = Thing::new(at("holes/comb"), Is::Parts(comb));
    [
        Thing::new(at("holes"), Is::Directory),
        Thing::new(at("holes/inside a chunk, then allocated zeros"), Is::Parts(around)).hole(4096, 8192),
        Thing::new(at("holes/nothing else"), Is::Parts(vec![Part::Zeros((64 << 20) + 17)])).hole(0, (64 << 20) + 4096),
        Thing::new(at("holes/first and last"), Is::Parts(vec![Part::Zeros(65536), block(), Part::Zeros(65536)]))
            .hole(0, 65536)
            .hole(65536 + 4096, 65536),
        // So many holes that their list lies out of line.
        (0..650).fold(comb, |comb, turn| comb.hole(turn * 8192 + 4096, 4096)),
    ]
    .into_iter()
}

fn links() -> impl Iterator<Item = Thing> {
    let first = Thing::new(at("links/a/first"), Is::Parts(shared_chunks())).owner(1, 2).first_name();
    let inline = Thing::new(at("links/inline"), Is::Inline(b"two names".to_vec())).first_name();
    let symlink = Thing::new(at("links/symlink"), Is::Symlink(b"a/first".to_vec())).first_name();
    let fifo = Thing::new(at("links/fifo"), Is::Fifo).mode(0o620).first_name();
    [
        Thing::new(at("links"), Is::Directory),
        Thing::new(at("links/a"), Is::Directory),
        Thing::new(at("links/b"), Is::Directory),
        first.other_name(at("links/b/second")),
        first.other_name(at("links/third")),
        first,
        inline.other_name(at("links/inline too")),
        inline,
        symlink.other_name(at("links/symlink too")),
        symlink,
        fifo.other_name(at("links/fifo too")),
        fifo,
    ]
    .into_iter()
}

fn metadata() -> impl Iterator<Item = Thing> {
    let file = |name: &str| Thing::new(at(name), Is::Inline(name.as_bytes().to_vec()));
    // Entries of an access control list: version 2, then tag, permissions and id of each.
    let acl = |entries: &[(u16, u16, u32)]| {
        let entries = entries.iter().flat_map(|(tag, permissions, id)| {
            [&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat()
        });
        [2, 0, 0, 0].into_iter().chain(entries).collect::<Vec<u8>>()
    };
    let access = acl(&[(1, 6, u32::MAX), (2, 4, 4321), (4, 4, u32::MAX), (16, 4, u32::MAX), (32, 0, u32::MAX)]);
    let default = acl(&[(1, 7, u32::MAX), (4, 5, u32::MAX), (32, 1, u32::MAX)]);
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    [
        Thing::new(at("metadata"), Is::Directory).xattr("system.posix_acl_default", &default),
        file("metadata/access control list").mode(0o640).xattr("system.posix_acl_access", &access),
        file("metadata/capable").mode(0o755).xattr("security.capability", &capability),
        file("metadata/attributes out of line").xattr("user.long", &noise(30, 1100)).xattr("user.short", b""),
        file("metadata/attributes in a tree").xattr("user.long", &noise(31, 2500)).xattr("user.a", b"b"),
        file("metadata/trusted").xattr("trusted.golden", b"\0\xff"),
        Thing::new(at("metadata/trusted link"), Is::Symlink(b"x".to_vec())).xattr("trusted.golden", b"link"),
        file("metadata/unknown attribute").attribute(PRIVATE_ATTRIBUTE, Necessity::Ignorable, b"not yet known"),
        file("metadata/nobody may").mode(0).owner(65534, 65534),
        file("metadata/as its owner").mode(0o4755).owner(1000, 1000),
        file("metadata/as its group").mode(0o2711).owner(1000, 1001),
        file("metadata/before 1970").mtime(-86_400, 123_456_789),
        file("metadata/just before 1970").mtime(-1, 999_999_999),
        file("metadata/1970").mtime(0, 0),
        file("metadata/late").mtime(2_147_483_647, 1),
    ]
    .into_iter()
}

fn names() -> impl Iterator<Item = Thing> {
    let long = vec![b'n'; 255];
    let names: [&[u8]; 12] = [
        b"\xff\xfe not UTF-8",
        b"new\nline",
        b"-rf",
        b" blank before",
        b"blank behind ",
        b"...",
        b"\x1b[31m",
        b"\x01",
        "gr\u{fc}\u{df}e".as_bytes(),
        b"back\\slash",
        b"*?[]'\"$",
        &long,
    ];
    let files = names.map(|name| Thing::new(at([&b"names/"[..], name].concat()), Is::Inline(name.to_vec())));
    [Thing::new(at("names"), Is::Directory)].into_iter().chain(files)
}

/// A path longer than the kernel takes at once.
fn deep() -> impl Iterator<Item = Thing> {
    let paths = (1..=42).map(|depth| at((0..depth).map(|step| format!("{step:0100}")).collect::<Vec<_>>().join("/")));
    let bottom = [&paths.clone().next_back().unwrap()[..], b"/bottom"].concat();
    paths.map(|path| Thing::new(path, Is::Directory)).chain([Thing::new(bottom, Is::Inline(b"deep".to_vec()))])
}

fn many() -> impl Iterator<Item = Thing> {
    let files = (0..120).map(|number| Thing::new(at(format!("many/{number:04}")), Is::Inline(vec![b'x'; number])));
    [Thing::new(at("many"), Is::Directory)].into_iter().chain(files)
}

/// A snapshot with what could not be read, or is not understood.
pub(crate) fn odd() -> Vec<Thing> {
    let unreadable = |errno| State::Unreadable { errno };
    vec![
        Thing::new("", Is::Ancestor),
        Thing::new("odd", Is::Directory),
        Thing::new("odd/changing", Is::Parts(vec![Part::Chunk(b"changed meanwhile".to_vec())]))
            .state(State::Inconsistent),
        Thing::new("odd/directory", Is::Directory).state(unreadable(13)),
        Thing::new("odd/directory/known", Is::Inline(b"a directory may be read in part".to_vec())),
        Thing::new("odd/file", Is::Inline(Vec::new())).state(unreadable(5)),
        Thing::new("odd/link", Is::Symlink(Vec::new())).state(unreadable(5)),
        Thing::new("odd/mandatory", Is::Inline(b"m".to_vec())).attribute(PRIVATE_ATTRIBUTE, Necessity::Mandatory, b"?"),
        Thing::new("odd/unknown", Is::Unknown).state(unreadable(2)).mode(0).mtime(0, 0),
    ]
}

/// Two parts of one snapshot, made on two hosts.
pub(crate) fn staged(host: &str) -> Vec<Thing> {
    vec![
        Thing::new("", Is::Ancestor),
        Thing::new("hosts", Is::Ancestor),
        Thing::new(format!("hosts/{host}"), Is::Directory),
        Thing::new(format!("hosts/{host}/inline"), Is::Inline(host.as_bytes().to_vec())),
        Thing::new(format!("hosts/{host}/own"), Is::Parts(vec![Part::Chunk(host.as_bytes().repeat(700))])),
        Thing::new(format!("hosts/{host}/shared"), Is::Parts(shared_chunks())),
    ]
}

/// A small snapshot with a chunk of its own.
pub(crate) fn small(name: &str) -> Vec<Thing> {
    vec![
        Thing::new("", Is::Ancestor),
        Thing::new(name, Is::Directory),
        Thing::new(format!("{name}/own"), Is::Parts(vec![Part::Chunk(name.as_bytes().repeat(300))])),
        Thing::new(format!("{name}/shared"), Is::Parts(shared_chunks())),
    ]
}
