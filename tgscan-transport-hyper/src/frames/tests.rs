//! Tests of the frames that h2 receives, for any size of received parts.

use super::*;

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let [_, high, middle, low] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[high, middle, low, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// Returns the bytes that h2 receives if the wire arrives in pieces of this size, with consecutive DATA frames joined.
fn through(wire: &[u8], size: usize) -> Vec<u8> {
    joined(&unjoined(wire, size))
}

fn unjoined(wire: &[u8], size: usize) -> Vec<u8> {
    let mut frames = Frames::default();
    let mut out = Vec::new();
    for piece in wire.chunks(size) {
        frames.push(piece);
        while let Some(bytes) = frames.next(7) {
            out.extend_from_slice(&bytes);
        }
    }
    out
}

fn joined(mut wire: &[u8]) -> Vec<u8> {
    let mut frames: Vec<(u8, u8, u8, Vec<u8>)> = Vec::new();
    while let [0, middle, low, kind, flags, 0, 0, 0, stream, rest @ ..] = wire {
        let (payload, rest) = rest.split_at(usize::from(*middle) << 8 | usize::from(*low));
        wire = rest;
        match frames.last_mut() {
            Some((DATA, last, same, data))
                if *kind == DATA
                    && same == stream
                    && *flags & PADDED == 0
                    && *last & END_STREAM == 0
                    && (*last & PADDED == 0
                        || data.first().is_some_and(|size| data.len() > 1 + usize::from(*size))) =>
            {
                let padding = if *last & PADDED == 0 { 0 } else { usize::from(data[0]) };
                *last = *flags | *last & PADDED;
                let at = data.len() - padding;
                data.splice(at..at, payload.iter().copied());
            }
            _ => frames.push((*kind, *flags, *stream, payload.to_vec())),
        }
    }
    assert!(wire.is_empty(), "{wire:?}");
    frames.iter().flat_map(|(kind, flags, stream, payload)| frame(*kind, *flags, *stream, payload)).collect()
}

#[test]
fn received_parts_of_a_data_frame_become_frames() {
    let wire = [frame(DATA, END_STREAM, 1, b"abcde"), frame(DATA, END_STREAM, 3, b"")].concat();
    let good =
        [frame(DATA, 0, 1, b"ab"), frame(DATA, END_STREAM, 1, b"cde"), frame(DATA, END_STREAM, 3, b"")];
    assert_eq!(unjoined(&wire, HEADER + 2), good.concat());
}

#[test]
fn first_part_of_a_padded_data_frame_has_its_padding() {
    let wire = frame(DATA, PADDED | END_STREAM, 1, b"\x02abc\x07\x07");
    let split = [frame(DATA, PADDED, 1, b"\x02ab\0\0"), frame(DATA, END_STREAM, 1, b"c")].concat();
    assert_eq!(unjoined(&wire, HEADER + 3), split);
    // The connection ends before the padding.
    for end in [HEADER + 4, HEADER + 5] {
        let whole = frame(DATA, PADDED | END_STREAM, 1, b"\x02abc\0\0");
        assert_eq!(through(&wire[..end], end), whole);
    }
    // Without data, and with invalid padding.
    for payload in [&b"\x01\x07"[..], b"\0", b"\x03abc\x04", b"\x09abc", b""] {
        let wire = frame(DATA, PADDED | END_STREAM, 1, payload);
        let is_whole = payload != b"\x03abc\x04";
        for size in 1..wire.len() {
            assert_eq!(unjoined(&wire, size) == wire, is_whole, "{payload:?} {size}");
        }
    }
}

fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut block = Vec::new();
    hpack::encode(name.as_bytes(), value.as_bytes(), &mut block);
    block
}

#[test]
fn repairs_heads_and_passes_other_frames_for_any_piece_size() {
    // `:status: 200` and `connection: close`, the latter for later heads as well (RFC 7541, 6.2.1).
    let first = [&[0x88, 0x40, 10][..], b"connection", &[5], b"close"].concat();
    let [begin, end] = [&first[..4], &first[4..]];
    let settings = frame(4, 1, 0, &[]);
    let data = frame(DATA, END_STREAM, 1, b"abc");
    let wire = [
        settings.clone(),
        frame(HEADERS, PADDED, 1, &[&[2], begin, &[0, 0]].concat()),
        frame(CONTINUATION, END_HEADERS, 1, end),
        data.clone(),
        frame(HEADERS, END_HEADERS | END_STREAM, 3, &[0x88, 0xbe]),
    ]
    .concat();
    let status = literal(":status", "200");
    let good = [
        settings,
        frame(HEADERS, END_HEADERS, 1, &status),
        data,
        frame(HEADERS, END_HEADERS | END_STREAM, 3, &status),
    ]
    .concat();
    for size in [1, 2, 5, 8, 9, 10, 1000] {
        assert_eq!(through(&wire, size), good, "{size}");
    }
}

#[test]
fn large_head_continues_in_the_next_frame() {
    let long = literal("x-long", &"v".repeat(2 * MAX_FRAME));
    let wire = [
        frame(HEADERS, END_STREAM, 1, &[0x88]),
        frame(CONTINUATION, 0, 1, &long[..MAX_FRAME]),
        frame(CONTINUATION, END_HEADERS, 1, &long[MAX_FRAME..]),
    ]
    .concat();
    let block = [literal(":status", "200"), long].concat();
    let good = [
        frame(HEADERS, END_STREAM, 1, &block[..MAX_FRAME]),
        frame(CONTINUATION, 0, 1, &block[MAX_FRAME..2 * MAX_FRAME]),
        frame(CONTINUATION, END_HEADERS, 1, &block[2 * MAX_FRAME..]),
    ]
    .concat();
    assert!(through(&wire, 1000) == good);
}

#[test]
fn passes_everything_after_an_undecodable_head() {
    let good = frame(HEADERS, END_HEADERS, 3, &[0x88]);
    for odd in [
        // No HPACK; padding beyond the frame; no room for a priority; another frame within the head.
        frame(HEADERS, END_HEADERS, 1, &[0x80]),
        frame(HEADERS, END_HEADERS | PADDED, 1, &[9, 0x88]),
        frame(HEADERS, END_HEADERS | PADDED, 1, &[]),
        frame(HEADERS, END_HEADERS | PRIORITY, 1, &[0x88]),
        [frame(HEADERS, 0, 1, &[0x88]), frame(DATA, 0, 1, b"abc")].concat(),
        [frame(HEADERS, 0, 1, &[0x88]), frame(HEADERS, END_HEADERS, 1, &[0x88])].concat(),
        frame(CONTINUATION, END_HEADERS, 1, &[0x88]),
    ] {
        let wire = [odd.clone(), good.clone()].concat();
        let is_passing = odd[3] == HEADERS;
        let expected = if is_passing { wire.clone() } else { [odd, through(&good, 100)].concat() };
        for size in [1, 4, 100] {
            assert_eq!(through(&wire, size), expected, "{wire:?} {size}");
        }
    }
    // Larger than `MAX_HEAD`.
    let part = frame(CONTINUATION, 0, 1, &[0; MAX_FRAME]);
    let wire = [frame(HEADERS, 0, 1, &[0x88]), part.repeat(MAX_HEAD / MAX_FRAME), good].concat();
    assert!(through(&wire, 10_000) == wire);
}

#[test]
fn random_frames_never_panic_for_any_piece_size() {
    let mut seed = 1_u64;
    let mut random = move |below: u64| {
        // Knuth's linear congruential generator.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut byte = move |below: u64| u8::try_from(random(below)).unwrap();
    for _ in 0..2_000 {
        let mut wire = Vec::new();
        for _ in 0..8 {
            let kind = [HEADERS, HEADERS, CONTINUATION, DATA, byte(12)][usize::from(byte(5))];
            let flags = [END_HEADERS, END_HEADERS, 0, byte(255)][usize::from(byte(4))];
            let payload: Vec<_> = (0..byte(40)).map(|_| byte(256)).collect();
            wire.extend(frame(kind, flags, 1, &payload));
        }
        assert_eq!(through(&wire, 1), through(&wire, 1000), "{wire:?}");
    }
}
