"""The format's corners: every file is read right or refused in one line that names what it is.

Text is never read as traces."""

import os
import struct
import time

import numpy as np
import pytest

from reflection_connection.volume import VolumeError, open_volume, preflight, write_segy_like

TYPES = {
    1: 'u4',
    2: 'i4',
    3: 'i2',
    5: 'f4',
    6: 'f8',
    8: 'i1',
    9: 'i8',
    10: 'u4',
    11: 'u2',
    12: 'u8',
    16: 'u1',
}
SIZES = {'h': 2, 'H': 2, 'i': 4, 'I': 4, 'q': 8, 'Q': 8, 'd': 8, 'B': 1}


def ibm(values):
    "Words of IBM floats, one number at a time, straight from the definition."
    words = []
    for value in np.asarray(values, float).ravel():
        fraction, exponent = abs(value), 64
        while fraction >= 1:
            fraction, exponent = fraction / 16, exponent + 1
        while 0 < fraction < 1 / 16:
            fraction, exponent = fraction * 16, exponent - 1
        digits = min(round(fraction * 2**24), 2**24 - 1)
        words.append((int(value < 0) << 31 | exponent << 24 | digits) if digits else 0)
    return np.array(words, np.uint32).reshape(np.shape(values))


def amplitudes(n_il=4, n_xl=10, n_samples=50, seed=0):
    "Smooth traces of both signs, no two alike; inlines; crosslines."
    il, xl = (
        a.ravel() for a in np.meshgrid(100 + np.arange(n_il), 300 + np.arange(n_xl), indexing='ij')
    )
    noise = np.random.default_rng(seed).normal(size=(len(il), n_samples + 8))
    return (
        1000
        * np.apply_along_axis(np.convolve, 1, noise, np.hanning(9), 'valid').astype(np.float32),
        il,
        xl,
    )


def segy(
    path,
    traces,
    il=None,
    xl=None,
    fmt=5,
    endian='>',
    ns=None,
    binary=(),
    words=None,
    ext=b'',
    trailer=b'',
    more=0,
    bare=False,
    order=None,
    before=b'',
):
    """Write a SEG-Y byte by byte.

    `ns`: count in both headers; `binary`: (byte, kind, value); `words`: samples as they are;
    `more`: additional trace headers; `bare`: nothing but line numbers in trace headers;
    `order`: byte order of trace headers."""
    n, n_samples = traces.shape
    ns = n_samples if ns is None else ns
    head = bytearray(b'\x40' * 3200 + bytes(400))
    for byte, kind, value in (
        (3217, 'H', 4000),
        (3221, 'H', ns),
        (3225, 'h', fmt),
        (3501, 'B', 1),
        (3503, 'h', 1),
        *binary,
    ):
        head[byte - 1 : byte - 1 + SIZES[kind]] = struct.pack(endian + kind, value)
    body = np.ascontiguousarray(
        (traces if words is None else words).astype(
            endian + (TYPES[fmt] if words is None else words.dtype.str[1:])
        )
    )
    out = bytearray(before + bytes(head) + ext)
    for k in range(n):
        header = bytearray(240 * (1 + more))
        columns = [
            (189, 'i', il[k] if il is not None else 0),
            (193, 'i', xl[k] if xl is not None else 0),
        ]
        if not bare:
            columns += [
                (1, 'i', k + 1),
                (5, 'i', k + 1),
                (29, 'h', 1),
                (115, 'H', ns),
                (117, 'H', 4000),
            ]
        for byte, kind, value in columns:
            header[byte - 1 : byte - 1 + SIZES[kind]] = struct.pack((order or endian) + kind, value)
        if more:
            header[472:480] = b'SEG00001'
        out += header + body[k].tobytes()
    path.write_bytes(bytes(out) + trailer)
    return path


def right(path, traces, il=None, says='', **options):
    "The traces are these, on a grid if line numbers are given, and what is said has some words."
    with open_volume(path, **options) as v:
        assert v.traces.shape == traces.shape
        assert np.allclose(v.traces[:], traces, rtol=2e-6, atol=0)
        if il is not None:
            assert v.has_geometry and v.inlines.tolist() == sorted(set(il.tolist()))
        told = ' '.join(v.notes + [f"{p['problem']}; {p['remedy']}" for p in v.problems])
        assert says in told, told
        return told


def refused(path, *says, **options):
    "Refused at once in one line with these words."
    started = time.time()
    with pytest.raises(VolumeError) as caught:
        open_volume(path, **options)
    line = str(caught.value)
    assert len(line.splitlines()) == 1 and path.name in line, line
    for words in says:
        assert words in line, line
    assert time.time() - started < 5
    return line


def stanzas(*texts, codec='cp037', fill=' '):
    return b''.join(text.ljust(3200, fill).encode(codec) for text in texts)


END = '((SEG: EndText))'
PLACE = '((SEG: Location Data ver 1.0))\nLAT/LONG in WGS84'


# ---- extended textual headers
@pytest.mark.parametrize('promised', [-1, 0, 1, 2, 3, 5, 32767])
@pytest.mark.parametrize('codec', ['cp037', 'latin-1'])
@pytest.mark.parametrize(
    'n_samples,fmt', [(20, 5), (50, 5), (740, 5), (740, 1), (1480, 3), (340, 6)]
)
@pytest.mark.parametrize('bare', [False, True])
def test_text_is_not_traces(tmp_path, promised, codec, n_samples, fmt, bare):
    "Whatever the number of extended headers is said to be, and where a trace has as many bytes as a textual header."
    a, il, xl = amplitudes(n_samples=n_samples)
    if fmt == 3:
        a = np.round(a)
    p = segy(
        tmp_path / 'a.sgy',
        a,
        il,
        xl,
        fmt,
        words=ibm(a) if fmt == 1 else None,
        binary=[(3505, 'h', promised)],
        bare=bare,
        ext=stanzas(PLACE, END, codec=codec),
    )
    told = right(p, a, il)
    assert ('extended textual headers' in told) == (promised != 2)


@pytest.mark.parametrize(
    'texts,fill',
    [
        ([END], ' '),
        ([END], '\0'),
        (['C 1 more of it'.ljust(3200, '.')], ' '),
        ([PLACE, '', PLACE, END], ' '),
    ],
)
@pytest.mark.parametrize('promised', [-1, 0, 1, 4])
@pytest.mark.parametrize('endian', '><')
def test_other_texts(tmp_path, texts, fill, promised, endian):
    a, il, xl = amplitudes(n_samples=740)
    right(
        segy(
            tmp_path / 'a.sgy',
            a,
            il,
            xl,
            endian=endian,
            binary=[(3505, 'h', promised)],
            ext=stanzas(*texts, fill=fill),
        ),
        a,
        il,
    )


@pytest.mark.parametrize('promised', [-1, 3])
@pytest.mark.parametrize('n_samples', [50, 740])
def test_stanzas_of_bytes(tmp_path, promised, n_samples):
    "A stanza that isn't text, between two that are."
    a, il, xl = amplitudes(n_samples=n_samples)
    middle = np.random.default_rng(0).bytes(3200)
    right(
        segy(
            tmp_path / 'a.sgy',
            a,
            il,
            xl,
            binary=[(3505, 'h', promised)],
            ext=stanzas(PLACE) + middle + stanzas(END),
        ),
        a,
        il,
    )


@pytest.mark.parametrize('promised', [1, 3])
@pytest.mark.parametrize('n_samples', [50, 740])
@pytest.mark.parametrize('bare', [False, True])
def test_promised_and_not_there(tmp_path, promised, n_samples, bare):
    a, il, xl = amplitudes(n_samples=n_samples)
    right(
        segy(tmp_path / 'a.sgy', a, il, xl, binary=[(3505, 'h', promised)], bare=bare),
        a,
        il,
        f'{promised} extended textual headers promised, none there',
    )


def test_first_trace_by_its_offset(tmp_path):
    "Revision 2 gives the byte of the first trace where there are more textual headers than 16 bits count."
    a, il, xl = amplitudes()
    right(
        segy(
            tmp_path / 'a.sgy',
            a,
            il,
            xl,
            binary=[(3505, 'h', -1), (3501, 'B', 2), (3521, 'Q', 3600 + 6400)],
            ext=np.random.default_rng(0).bytes(6400),
        ),
        a,
        il,
    )


def test_text_and_a_cut(tmp_path):
    a, il, xl = amplitudes()
    p = segy(tmp_path / 'a.sgy', a, il, xl, ext=stanzas(PLACE, END))
    p.write_bytes(p.read_bytes()[:-100])
    refused(p, 'truncated', '2 extended textual headers (0 promised)')


def test_a_long_text_header_is_no_trace_at_all(tmp_path):
    "Text to the end of the file."
    p = segy(tmp_path / 'a.sgy', amplitudes()[0][:1], ext=stanzas(PLACE, END))
    p.write_bytes(p.read_bytes()[: 3600 + 6400])
    refused(p, 'no traces')


# ---- revision 2
@pytest.mark.parametrize('n_samples', [20, 740])
@pytest.mark.parametrize('declared', [None, 0, 1, 2, -1])
@pytest.mark.parametrize('endian', '><')
def test_trailers(tmp_path, n_samples, declared, endian):
    a, il, xl = amplitudes(n_samples=n_samples)
    binary = [] if declared is None else [(3501, 'B', 2), (3529, 'i', declared)]
    p = segy(
        tmp_path / 'a.sgy',
        a,
        il,
        xl,
        endian=endian,
        binary=binary,
        trailer=stanzas('((SEG: Something ver 1.0))', '((SEG: EndText))'),
    )
    assert 'truncated' not in right(p, a, il, '2 data trailer stanzas')


@pytest.mark.parametrize('n_samples', [20, 740])
def test_trailer_of_bytes_and_none_at_all(tmp_path, n_samples):
    a, il, xl = amplitudes(n_samples=n_samples)
    binary = [(3501, 'B', 2), (3529, 'i', 2)]
    right(
        segy(
            tmp_path / 'a.sgy',
            a,
            il,
            xl,
            binary=binary,
            trailer=np.random.default_rng(0).bytes(6400),
        ),
        a,
        il,
        '2 data trailer stanzas',
    )
    assert 'trailer' not in right(segy(tmp_path / 'b.sgy', a, il, xl, binary=binary), a, il)


@pytest.mark.parametrize(
    'minor,kind', [(0, 'i'), (1, 'h'), (0, 'h'), (1, 'i')]
)  # as in 2.0, as in 2.1, and exchanged
@pytest.mark.parametrize('more', [1, 3])
@pytest.mark.parametrize('endian', '><')
def test_additional_trace_headers(tmp_path, minor, kind, more, endian):
    a, il, xl = amplitudes()
    survey = [(3509, 'h', 3)] if kind == 'h' else []
    binary = [(3501, 'B', 2), (3502, 'B', minor), (3507, kind, more), *survey]
    p = segy(tmp_path / 'a.sgy', a, il, xl, endian=endian, binary=binary, more=more)
    right(p, a, il, f'{more} additional trace headers')
    with open_volume(p) as v:
        raw = p.read_bytes()[3600 + 5 * (240 * (1 + more) + 200) :][:240]
        if endian == '>':
            assert v.reader.headers(5, 6).tobytes() == raw
        with open_volume(write_segy_like(v, tmp_path / 'map.sgy', [(np.arange(40), a.T)])) as w:
            assert np.array_equal(w.traces[:], a) and w.inlines.tolist() == v.inlines.tolist()
            assert (
                np.array_equal(w.reader.headers(0, 40), v.reader.headers(0, 40))
                and not w.problems[1:]
            )


@pytest.mark.parametrize('trailers', [1, 2])
def test_export_of_what_has_everything(tmp_path, trailers):
    "A map of a file with texts, additional trace headers and trailers has the texts and none of the rest."
    a, il, xl = amplitudes()
    binary = [
        (3501, 'B', 2),
        (3505, 'h', -1),
        (3507, 'i', 1),
        (3513, 'Q', 40),
        (3521, 'Q', 10_000),
        (3529, 'i', trailers),
    ]
    p = segy(
        tmp_path / 'a.sgy',
        a,
        il,
        xl,
        binary=binary,
        more=1,
        ext=stanzas(PLACE, END),
        trailer=stanzas(*[PLACE] * trailers),
    )
    right(p, a, il)
    with open_volume(p) as v:
        new = write_segy_like(v, tmp_path / 'map.sgy', [(np.arange(40), a.T)])
    right(new, a, il)
    assert new.stat().st_size == 3600 + 6400 + 40 * 440 and new.read_bytes()[
        3600:10_000
    ] == stanzas(PLACE, END)


# ---- numbers of samples
@pytest.mark.parametrize('endian', '><')
@pytest.mark.parametrize('n_traces', [1, 2, 3, 8])
def test_more_samples_than_16_bits(tmp_path, endian, n_traces):
    a = np.cumsum(np.random.default_rng(0).normal(size=(n_traces, 70_000)), 1).astype(np.float32)
    name = lambda k: tmp_path / f'{k}.sgy'
    right(segy(name('u'), a[:, :40_000], endian=endian), a[:, :40_000])
    rev2 = [(3501, 'B', 2), (3269, 'i', 70_000)]
    right(segy(name('r'), a, endian=endian, ns=0, binary=rev2), a)
    right(segy(name('w'), a, endian=endian, ns=70_000 - 65_536), a, says='more than 16 bits hold')
    right(
        segy(name('1'), a, endian=endian, ns=0, binary=rev2[1:]), a
    )  # as segyio writes it, whatever the revision
    if n_traces > 1:
        right(segy(name('z'), a, endian=endian, ns=0), a, says='more than 16 bits hold')


def test_a_wrapped_count_that_fits_the_size(tmp_path):
    "66,000 bytes a trace are 94 traces of 464: size alone would take them."
    a = np.random.default_rng(0).integers(-120, 120, (11, 66_000)).astype(np.float32)
    p = segy(tmp_path / 'a.sgy', a, fmt=8, ns=66_000 - 65_536)
    assert (p.stat().st_size - 3600) % (240 + 464) == 0
    right(p, a, says='more than 16 bits hold')


@pytest.mark.parametrize('ns', [0, 1, 49, 51, 5000, 65_535])
@pytest.mark.parametrize('endian', '><')
def test_a_wrong_count_in_both_headers(tmp_path, ns, endian):
    a, il, xl = amplitudes()
    assert 'truncated' not in right(
        segy(tmp_path / 'a.sgy', a, il, xl, endian=endian, ns=ns),
        a,
        il,
        '50: found from the file size',
    )


@pytest.mark.parametrize('said', [49, 51, 20_000])
def test_headers_that_differ(tmp_path, said):
    a, il, xl = amplitudes()
    right(
        segy(tmp_path / 'a.sgy', a, il, xl, binary=[(3221, 'H', said)]),
        a,
        il,
        f'{said} samples in the binary header do not fit',
    )


def test_traces_of_varying_length(tmp_path):
    parts = [segy(tmp_path / f'{n}.sgy', amplitudes(1, 2, n)[0]).read_bytes() for n in (50, 60, 45)]
    (tmp_path / 'a.sgy').write_bytes(parts[0] + parts[1][3600:] + parts[2][3600:])
    assert 'copy' not in refused(tmp_path / 'a.sgy', 'traces of varying length: 45 to 60 samples')


def test_cut_off(tmp_path):
    a, il, xl = amplitudes()
    p = segy(tmp_path / 'a.sgy', a, il, xl)
    for cut in (1, 100, 250, 440 * 7 + 3):
        (tmp_path / 'b.sgy').write_bytes(p.read_bytes()[:-cut])
        refused(tmp_path / 'b.sgy', 'truncated', 'copy the file again')


# ---- kinds of samples
@pytest.mark.parametrize('n_traces,n_samples', [(40, 64), (40, 65), (20, 20), (30, 60), (94, 40)])
@pytest.mark.parametrize('endian', '><')
@pytest.mark.parametrize('bare', [False, True])
def test_canadian_practice(tmp_path, n_traces, n_samples, endian, bare):
    "Code 6 over 4-byte IEEE floats, also where doubles fit the size; doubles stay doubles."
    a, il, xl = amplitudes(2, n_traces // 2, n_samples)
    p = segy(tmp_path / 'a.sgy', a, il, xl, fmt=6, endian=endian, words=a, bare=bare)
    right(p, a, il, 'Canadian practice')
    right(p, a, il, sample_format='ieee')
    assert 'Canadian' not in right(
        segy(tmp_path / 'b.sgy', a, il, xl, fmt=6, endian=endian, bare=bare), a, il
    )
    right(tmp_path / 'b.sgy', a, il, sample_format='ieee')


def test_canadian_practice_is_tried_where_both_fit(tmp_path):
    fits = [
        (n, ns)
        for n in (20, 40)
        for ns in range(10, 100)
        if n * (240 + 4 * ns) % (240 + 8 * ns) == 0 == n * (240 + 8 * ns) % (240 + 4 * ns)
    ]
    assert fits
    for n, ns in fits:
        a, il, xl = amplitudes(2, n // 2, ns)
        right(segy(tmp_path / 'a.sgy', a, fmt=6, words=a, bare=True), a)
        right(segy(tmp_path / 'b.sgy', a, fmt=6, bare=True), a)


SCALES = 10.0 ** np.arange(-6, 7, 2)
KINDS = {'ibm': 1, 'ieee': 5}


def worded(a, kind):
    return ibm(a) if kind == 'ibm' else a.astype(np.float32).view(np.uint32)


def shaped(a, shape):
    a = a.copy()
    if shape == 'muted':
        a[:, :40] = 0
    if shape == 'spiky':
        a[np.random.default_rng(1).random(a.shape) < 0.7] = 0
    if shape == 'dead':
        a[::2] = 0
    if shape == 'clipped':
        a = a.clip(-1.5 * a.std(), 1.5 * a.std())
    if shape == 'offset':
        a += 3 * a.std()
    if shape == 'agc':
        a /= np.abs(a).max(1, keepdims=True)
    return a.astype(np.float32)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('shape', ['plain', 'muted', 'spiky', 'dead', 'clipped', 'agc'])
def test_the_other_code(tmp_path, kind, shape):
    "At any amplitude: read as what the samples are, with a problem; under its own code without one."
    a, il, xl = amplitudes(6, 20, 100)
    other = {'ibm': 'ieee', 'ieee': 'ibm'}[kind]
    for scale in SCALES:
        b = shaped(a * scale / 1000, shape)
        words = worded(b, kind)
        told = right(
            segy(tmp_path / 'w.sgy', b, il, xl, fmt=KINDS[other], words=words),
            b,
            il,
            f'look like {kind.upper()} float',
        )
        assert f"sample_format='{kind}'" in told
        assert 'format' not in right(
            segy(tmp_path / 'r.sgy', b, il, xl, fmt=KINDS[kind], words=words), b, il
        )
        assert preflight(tmp_path / 'w.sgy')['sample_format'] == f'{kind.upper()} float'


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize(
    'name',
    [
        'zero',
        'constant',
        'small integers',
        'integers',
        'velocity',
        'layers',
        'one sample',
        'offset',
        'steps',
        'spike',
        'sentinel',
        'nan',
    ],
)
def test_no_false_alarm(tmp_path, kind, name):
    "Under its own code nothing is said, whatever the data."
    a, il, xl = amplitudes(6, 20, 200)
    rng = np.random.default_rng(3)
    b = {
        'zero': 0 * a,
        'constant': 0 * a + 7,
        'small integers': np.round(a / 1000 * 9),
        'integers': np.round(a),
        'offset': shaped(a, 'offset'),
        'velocity': 1500 + 4000 * np.linspace(0, 1, 200) + a / 100,
        'one sample': a[:, :1],
        'steps': np.sign(a) * 2.0 ** rng.integers(-8, 8, a.shape),
        'layers': np.where(a > 0, 1800, 2310) + 240 * rng.random(a.shape),
        'spike': 0 * a + (np.arange(200) == 7) * 1e6,
        'sentinel': np.where(a > 1500, -999.25, a),
        'nan': a,
    }[name].astype(np.float32)
    if name == 'nan' and kind == 'ieee':
        b[3:5] = np.nan
    p = segy(tmp_path / 'a.sgy', b, il, xl, fmt=KINDS[kind], words=worded(b, kind))
    with open_volume(p) as v:
        assert not any('format' in p['problem'] for p in v.problems), v.problems
        assert np.allclose(v.traces[:], b, rtol=2e-6, equal_nan=True)


def test_unnormalised_ibm(tmp_path):
    "Integers with a fixed exponent, as some recorders write them, are IBM floats all the same."
    a, il, xl = amplitudes(6, 20, 200)
    whole = np.round(a * 100).astype(np.int64)
    words = (
        (whole < 0).astype(np.uint32) << 31 | 0x46 << 24 | np.abs(whole).astype(np.uint32)
    ).astype(np.uint32)
    assert 'format' not in right(
        segy(tmp_path / 'a.sgy', whole.astype(np.float32), il, xl, fmt=1, words=words),
        whole.astype(np.float32),
        il,
    )


@pytest.mark.parametrize('endian', '><')
def test_the_caller_settles_it(tmp_path, endian):
    "sample_format is taken by traces, sections and maps; the fingerprint is that of the file."
    a, il, xl = amplitudes(6, 20, 100)
    p = segy(tmp_path / 'a.sgy', a, il, xl, fmt=1, endian=endian, words=a.view(np.uint32))
    right(p, a, il, 'as asked', sample_format='ieee')
    few = segy(
        tmp_path / 'few.sgy',
        a[:10],
        il[:10],
        xl[:10],
        fmt=1,
        endian=endian,
        words=a[:10].view(np.uint32),
    )
    with open_volume(few, sample_format='ieee') as v:
        assert np.array_equal(v.section('inline', 100), a[:10].T)
    with (
        open_volume(p, sample_format='ieee') as v,
        open_volume(p, sample_format='ibm') as w,
        open_volume(p) as u,
    ):
        assert np.array_equal(v.section('inline', 102), a[40:60].T) and not np.allclose(
            w.section('inline', 102), a[40:60].T, rtol=0.1
        )
        assert v.fingerprint() == w.fingerprint() == u.fingerprint()
        assert (v.sample_format, w.sample_format, v.problems) == (
            'IEEE float',
            'IBM float',
            v.problems,
        )
        assert not any('format' in p['problem'] for p in v.problems + w.problems)
        with open_volume(write_segy_like(v, tmp_path / 'map.sgy', [(np.arange(120), a.T)])) as m:
            assert np.array_equal(m.traces[:], a)


def test_an_unknown_code_with_the_callers_word(tmp_path):
    a, il, xl = amplitudes()
    for fmt, endian in ((0, '>'), (0, '<'), (4, '>'), (99, '<')):
        p = segy(tmp_path / 'a.sgy', a, il, xl, endian=endian, binary=[(3225, 'h', fmt)])
        refused(p, 'format')
        right(p, a, il, 'as asked', sample_format='ieee')
    p = segy(tmp_path / 'b.sgy', np.round(a), il, xl, fmt=3)
    refused(p, '', sample_format='ieee')


# ---- byte orders
@pytest.mark.parametrize('endian,other', ['><', '<>'])
def test_two_byte_orders(tmp_path, endian, other):
    a, il, xl = amplitudes(6, 20, 100)
    refused(
        segy(tmp_path / 'h.sgy', a, il, xl, endian=endian, order=other),
        'trace headers are',
        'endian',
    )
    refused(
        segy(tmp_path / 's.sgy', a, il, xl, endian=endian, words=a.view(np.uint32).byteswap()),
        'samples are',
        'endian',
    )
    refused(
        segy(
            tmp_path / 'b.sgy',
            a,
            il,
            xl,
            endian=endian,
            order=other,
            words=a.view(np.uint32).byteswap(),
        ),
        'endian',
    )
    whole = np.round(a / 100).astype(np.float32)
    refused(
        segy(
            tmp_path / 'i.sgy', whole, il, xl, endian=endian, words=whole.view(np.uint32).byteswap()
        ),
        'samples are',
        'endian',
    )


@pytest.mark.parametrize('endian', '><')
def test_the_constant_of_revision_2(tmp_path, endian):
    a, il, xl = amplitudes()
    p = segy(
        tmp_path / 'a.sgy',
        a,
        il,
        xl,
        endian=endian,
        binary=[(3501, 'B', 2), (3297, 'i', 0x01020304)],
    )
    right(p, a, il)
    swapped = np.frombuffer(p.read_bytes(), np.uint16).byteswap().tobytes()
    (tmp_path / 'b.sgy').write_bytes(swapped)
    refused(tmp_path / 'b.sgy', 'exchanged in pairs')


# ---- other files
def su(tmp_path, endian, n=40):
    a, il, xl = amplitudes()
    return segy(tmp_path / 'x.sgy', a[:n], il[:n], xl[:n], endian=endian).read_bytes()[3600:]


@pytest.mark.parametrize('endian,name', [('>', 'big'), ('<', 'little')])
@pytest.mark.parametrize('n', [1, 2, 40])
def test_seismic_unix(tmp_path, endian, name, n):
    (tmp_path / 'a.su').write_bytes(su(tmp_path, endian, n))
    refused(tmp_path / 'a.su', 'Seismic Unix', name, f'{n} traces of 50 samples', 'segywrite')


@pytest.mark.parametrize(
    'label',
    [
        b'   1SY1.0RECORD     0',
        '   1SY1.0RECORD     0'.encode('cp037'),
        b'   1SY2.1RECORD',
        b'anything at all',
        bytes(9),
    ],
)
@pytest.mark.parametrize('endian', '><')
def test_tape_labels(tmp_path, label, endian):
    a, il, xl = amplitudes()
    p = segy(
        tmp_path / 'a.sgy',
        a,
        il,
        xl,
        endian=endian,
        before=label.ljust(128, b'\0' if label == bytes(9) else b' '),
    )
    line = refused(p, '128', 'tail -c +129 a.sgy')
    assert 'copy' not in line
    p.write_bytes(p.read_bytes()[128:])  # what the line says to do
    right(p, a, il)


BYTES = [
    ('a.sgy.gz', b'\x1f\x8b\x08', 'gzip'),
    ('a.bz2', b'BZh91AY&SY', 'bzip2'),
    ('a.xz', b'\xfd7zXZ\0', 'xz'),
    ('a.zst', b'\x28\xb5\x2f\xfd', 'zstd'),
    ('a.zip', b'PK\3\4', 'zip'),
    ('a.7z', b'7z\xbc\xaf\x27\x1c', '7z'),
    ('a.tar', b'a.sgy'.ljust(257, b'\0') + b'ustar\0', 'tar'),
    ('a.rar', b'Rar!\x1a\x07', 'RAR'),
    ('a.zgy', b'VBS\0', 'ZGY'),
    ('a.zgy', b'VCS\0', 'ZGY'),
    ('a.vds', b'VDS\0', 'OpenVDS'),
    ('a.vds', b'\1', 'OpenVDS'),
    ('a.cbvs', b'dGB\1', 'OpendTect'),
    ('a.nc', b'CDF\1', 'netCDF'),
    ('a.nc', b'CDF\2', 'netCDF'),
    ('a.nc', b'CDF\5', 'netCDF'),
    ('a.h5', b'\x89HDF\r\n\x1a\n', 'HDF5'),
    ('a.mat', b'MATLAB 5.0 MAT-file, Platform', 'MATLAB'),
    ('a.parquet', b'PAR1', 'Parquet'),
    ('a.png', b'\x89PNG\r\n', 'PNG'),
    ('a.jpg', b'\xff\xd8\xff\xe0', 'JPEG'),
    ('a.tif', b'II*\0', 'TIFF'),
    ('a.pdf', b'%PDF-1.7', 'PDF'),
    ('a.sg2', b'\x55\x3a\1\0', 'SEG-2'),
    ('a.segd', bytes.fromhex('00018058'), 'SEG-D'),
    ('a.segd', b'   1SD2.1RECORD', 'SEG-D'),
    ('a.sgy', bytes(9), 'zero bytes'),
    ('a.tif', bytes(8) + struct.pack('<I', 3212), 'TIF'),
]


@pytest.mark.parametrize(
    'name,begins,says', BYTES, ids=[says + str(k) for k, (_, _, says) in enumerate(BYTES)]
)
@pytest.mark.parametrize('size', [300, 5000, 50_000])
def test_names_of_binary_files(tmp_path, name, begins, says, size):
    rest = b'' if says == 'zero bytes' or name == 'a.tar' else np.random.default_rng(0).bytes(size)
    (tmp_path / name).write_bytes((begins + rest).ljust(size, b'\0'))
    assert 'copy the file again' not in refused(tmp_path / name, says)


TEXTS = [
    ('<!DOCTYPE html><html><head>', 'HTML'),
    ('\n <HTML lang=en>', 'HTML'),
    ('<?xml version="1.0"?>\n<Error>', 'XML'),
    ('{"message": "Not Found"}', 'JSON'),
    ('[{"a": 1}]', 'JSON'),
    ('~Version Information\nVERS. 2.0:', 'LAS'),
    ('# made by hand\n~V\n', 'LAS'),
    ('inline crossline x y\n1 2 3 4', 'plain text'),
    ('version https://git-lfs.github.com/spec/v1\noid sha256:', 'Git LFS'),
    ('Línea sísmica número 1\n', 'plain text'),
]


@pytest.mark.parametrize('text,says', TEXTS)
@pytest.mark.parametrize('size', [0, 2220, 9000])
def test_names_of_text_files(tmp_path, text, says, size):
    (tmp_path / 'e.sgy').write_bytes(text.encode().ljust(size, b' '))
    assert 'copy the file again' not in refused(tmp_path / 'e.sgy', says)
    (tmp_path / 'bom.sgy').write_text(text, encoding='utf-16')
    refused(tmp_path / 'bom.sgy', 'text')


@pytest.mark.parametrize(
    'inside,says',
    [
        ('FileProperties.xml', 'JavaSeis'),
        ('TraceFile', 'JavaSeis'),
        ('.survey', 'OpendTect'),
        ('x.sgy', 'a folder, not a volume'),
    ],
)
def test_names_of_folders(tmp_path, inside, says):
    (tmp_path / 'data.js').mkdir()
    (tmp_path / 'data.js' / inside).touch()
    refused(tmp_path / 'data.js', says)


# ---- cost
@pytest.mark.parametrize('fmt', [5, 6, 8])
def test_opening_does_not_read_the_data(tmp_path, fmt):
    "A sparse file of 60 GB is laid out in a moment."
    from reflection_connection.volume.layout import layout_of

    p = segy(tmp_path / 'a.sgy', amplitudes(1, 10, 3000)[0], fmt=fmt)
    record = 240 + 3000 * np.dtype(TYPES[fmt]).itemsize
    os.truncate(p, 3600 + record * (60_000_000_000 // record))
    started = time.time()
    assert layout_of(p, p.stat().st_size).n_samples == 3000
    assert time.time() - started < 2
