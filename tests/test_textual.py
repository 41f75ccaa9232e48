"""What people write in textual headers about byte positions and line numbers."""

import pytest

from reflection_connection.volume.textual import named_bytes, named_ranges

# lines of a textual header, and the bytes that they name
NAMED = [
    (['INLINE BYTES 181-184'], dict(iline=181)),
    (
        [
            'Inline number               : bytes 5-8',
            'Xline number                : bytes 21-24',
            'Coordinate scale factor     : bytes 71-72',
            'X coordinate                : bytes 73-76',
            'Y coordinate                : bytes 77-80',
        ],
        dict(iline=5, xline=21, scalar=71, x=73, y=77),
    ),
    (['XLINE NUMBER BYTES 189-192'], dict(xline=189)),
    (['IL: 9-12'], dict(iline=9)),
    (['INLINE BYTES 9-12   CROSSLINE IN BYTES 21-24'], dict(iline=9, xline=21)),
    (
        [
            'INLINE BYTES 9-12   CROSSLINE BYTES 21-24',
            'CDP X 181-184  CDP Y 185-188',
        ],
        dict(iline=9, xline=21, x=181, y=185),
    ),
    (
        [
            'INLINE BYTES 181-184, XLINE BYTES 185-188',
            'X COORD BYTES 189-192 AND 81-84   Y COORD 193-196 AND 85-88',
        ],
        dict(iline=181, xline=185, x=189, y=193),
    ),
    (['INLINE NUMBER BYTES 193-196', 'CROSSLINE NUMBER BYTES 189-192'], dict(iline=193, xline=189)),
    (['CDP_X (181)'], dict(x=181)),
    (['ILINE 189 XLINE 193'], dict(iline=189, xline=193)),
    (['Inline (9,4)  Crossline (13,4)'], dict(iline=9, xline=13)),
    (['Inline (9,4)'], dict(iline=9)),
    (['INLINE: BYTE 189, 4 BYTE INTEGER'], dict(iline=189)),
    (['TRACE HEADER POSITION: INLINE/CDP 5/21'], dict(iline=5, cdp=21)),
    (['LINE NO. BYTES 9-12   CDP NO 21-24'], dict(iline=9, cdp=21)),
    (['BYTE 193-196: IN-LINE'], dict(iline=193)),
    (
        [
            'BYTE 189-192: INLINE   BYTE 193-196: XLINE',
            'BYTES 181-184: CDP-X',
        ],
        dict(iline=189, xline=193, x=181),
    ),
    (
        [
            'Inline: Byte 9-12, Crossline: Byte 21-24',
            'Rechtswert: Byte 73-76  Hochwert: Byte 77-80',
        ],
        dict(iline=9, xline=21, x=73, y=77),
    ),
    (
        [
            'TRACE HEADER POSITION:',
            '  INLINE BYTES 189-193    ¦ OFFSET BYTES 037-041',
            '  CROSSLINE BYTES 193-197 ¦',
        ],
        dict(iline=189, xline=193),
    ),
    (
        [
            'Byte positions (in addition to REV. 1 standard positions):',
            'X-coordinate: 73',
            'Y-coordinate: 77',
            'In-line:      9 (4-byte int)',
            'X-line:       21 (4-byte int)',
        ],
        dict(iline=9, xline=21, x=73, y=77),
    ),
    (['I/X bytes: 9 / 21'], dict(iline=9, xline=21)),
    (
        [
            '*** BYTE LOCATION OF KEY HEADERS ***',
            'CMP UTM-X: 181, ALL COORDS SCALED BY: 10.0, CMP UTM-Y: 185',
            'INLINE: 189, XLINE: 193,',
        ],
        dict(iline=189, xline=193, x=181, y=185),
    ),
    (['HEADER REMAP: ILINE_NO,,4I,,189/XLINE_NO,,4I,,193/'], dict(iline=189, xline=193)),
    (['IN-LINE NUMBER IN BYTES 17-20, CROSS-LINE NUMBER IN BYTES 25-28'], dict(iline=17, xline=25)),
    (
        [
            'Inline=189-192 Crossline=193-196 X=181-184 Y=185-188',
        ],
        dict(iline=189, xline=193, x=181, y=185),
    ),
    (['XLINE= 21-24, INLINE= 9-12, UTMX=73-76 UTMY=77-80'], dict(iline=9, xline=21, x=73, y=77)),
    (['IL/XL: BYTES 221/225  X/Y: 181/185'], dict(iline=221, xline=225, x=181, y=185)),
    (['INLINE  @ 189', 'XLINE   @ 193'], dict(iline=189, xline=193)),
    (['Trace header: inline=5 crossline=17'], dict(iline=5, xline=17)),
    (['TRACE HEADER BYTES 189-192 = INLINE, 193-196 = CROSSLINE'], dict(iline=189, xline=193)),
    (['INLINE NUMBER STORED IN BYTES 5-8 AND 189-192'], dict(iline=5)),
    (['SP: 17-20  CDP: 21-24  SOURCE X 73-76  SOURCE Y 77-80'], dict(cdp=21, x=73, y=77)),
    (['CDP BYTES 21-24, EASTING 81-84 NORTHING 85-88'], dict(cdp=21, x=81, y=85)),
    (['NUMERO INLINE: OCTETS 9-12   CROSSLINE: OCTETS 13-16'], dict(iline=9, xline=13)),
    (
        [
            '3D LINE NUMBER 4 BYTE INTEGER AT BYTE 5',
            'CDP ENSEMBLE NUMBER AT BYTE 21',
        ],
        dict(iline=5, cdp=21),
    ),
    (
        [
            'Inline byte: 189   Crossline byte: 193   X byte: 181  Y byte: 185',
        ],
        dict(iline=189, xline=193, x=181, y=185),
    ),
    (
        [
            'HEADER WORDS',
            'INLINE       189   INT32',
            'CROSSLINE    193   INT32',
        ],
        dict(iline=189, xline=193),
    ),
    (['ENSEMBLE X: 181  ENSEMBLE Y: 185'], dict(x=181, y=185)),
    (['ENSEMBLE-X (181-184)'], dict(x=181)),
    (
        [
            '189-192   INLINE NUMBER',
            '193-196   CROSSLINE NUMBER',
            '181-184   CDP X',
            '185-188   CDP Y',
        ],
        dict(iline=189, xline=193, x=181, y=185),
    ),
    (
        [
            'INLINE: 189  CROSSLINE: 193  CDP X: 181  CDP Y: 185',
        ],
        dict(iline=189, xline=193, x=181, y=185),
    ),
    (['INLINE 189-192,4I  XLINE 193-196,4I'], dict(iline=189, xline=193)),
    (['Byte 9-12 = 3D inline number', 'Byte 21-24 = 3D crossline number'], dict(iline=9, xline=21)),
    (['BYTES 1-4 TRACE NO; BYTES 9-12 INLINE; BYTES 21-24 XLINE'], dict(iline=9, xline=21)),
    (['INLINE NO.(BYTES 181-184)  XLINE NO.(BYTES 185-188)'], dict(iline=181, xline=185)),
    (['INLINE RANGE 100 - 200 (BYTES 189-192)'], dict(iline=189)),
    (['IL 189-192', 'XL 193-196'], dict(iline=189, xline=193)),
    (['Zeile: LINIE NR BYTE 9-12, CDP NR BYTE 21-24'], dict(iline=9, cdp=21)),
    (['X-COORDINATE OF CDP BYTES 181-184'], dict(x=181)),
    (['XLINE (CDP) BYTES 21-24'], dict(xline=21, cdp=21)),
    (['CDP INLINE NUMBER: 189-192'], dict(iline=189)),
    (['CDP X COORDINATE (181-184, SCALED BY 71-72)'], dict(x=181)),
    (['INLINE NUMBER (TRACE HEADER BYTES 189-192)'], dict(iline=189)),
    (
        [
            'INLINE IN 9-12, XLINE IN 13-16, X IN 73-76, Y IN 77-80',
        ],
        dict(iline=9, xline=13, x=73, y=77),
    ),
    (['COORDINATES OF CDP: X 181-184 Y 185-188'], dict(x=181, y=185)),
    (['INLINE AND CROSSLINE IN BYTES 189-192 AND 193-196'], dict(iline=189, xline=193)),
    (['IN-LINE BYTES 9-12 (INT)  CROSS-LINE BYTES 13-16 (INT)'], dict(iline=9, xline=13)),
    (
        [
            'Iline: 189-192  Xline: 193-196  Cdpx: 181-184  Cdpy: 185-188',
        ],
        dict(iline=189, xline=193, x=181, y=185),
    ),
]

# lines that name no byte, though numbers stand beside names of fields
NUMBERS = [
    ['SHOTPOINT NUMBER BYTES 17-20'],
    ['First inline: 100  Last inline: 111', 'First xline:  300   Last xline:  339'],
    ['INLINE RANGE 100 - 200'],
    ['IL 100-650'],
    ['INLINES 100-111'],
    ['INLINES 201-204, CROSSLINES 300-303'],
    ['    inlines:    111 .. 133', '    crosslines: 875 .. 892', '    samples:      0 .. 300'],
    ['X min: 433955.09 max: 436589.56 delta: 2634.47'],
    ['C12 100/300 = (605835.5,6073556.5)'],
    ['INLINE SPACING 25 M, CROSSLINE SPACING 12.5 M'],
    ['LINE 189 AREA 193'],
    ['LINE : 85-101'],
    ['INLINE INTERVAL 25 M XLINE INTERVAL 25 M'],
    ['INLINE 25 M X 12.5 M BIN'],
    ['CDP FOLD 21   LINE AB-17'],
    ['INLINE: 1 - 25, XLINE: 5 - 21'],
    ['First inline: 9 Last inline: 21'],
    ['DATA TRACES/RECORD 17       AUXILIARY TRACES/RECORD  5       CDP FOLD 21'],
    [
        'Binary header locations:',
        'Sample interval             : bytes 17-18',
        'LINE NUMBER: bytes 5-8',
    ],
    ['HEADER: F3 DEMO 1987', 'INLINES 100 - 750'],
    ['INLINE GRID: 12.5 BYTES SWAPPED'],
    ['CORNER 1: INLINE 1001 XLINE 2001 X 433955.0 Y 6477439.0'],
    ['CORNER 1: INLINE 189 XLINE 2001 X 433955.0 Y 6477439.0'],
]

# lines, and the first and last line that they give
RANGES = [
    (
        [
            'First inline: 100  Last inline: 111',
            'First xline:  300   Last xline:  339',
        ],
        dict(iline=(100, 111), xline=(300, 339)),
    ),
    (['INLINES 100-111'], dict(iline=(100, 111))),
    (['INLINE RANGE 100 - 200'], dict(iline=(100, 200))),
    (['IL 100-650 XL 300-900'], dict(iline=(100, 650), xline=(300, 900))),
    (
        [
            '    inlines:    111 .. 133',
            '    crosslines: 875 .. 892',
        ],
        dict(iline=(111, 133), xline=(875, 892)),
    ),
    (['MIN INLINE 100 MAX INLINE 200'], dict(iline=(100, 200))),
    (['Inline min: 100 max: 200 delta: 100'], dict(iline=(100, 200))),
    (['In-line range: 100 - 750 - 1'], dict(iline=(100, 750))),
    (
        [
            'INLINE: 1001 TO 1250 INC 1  CROSSLINE: 2000 TO 2500 INC 2',
        ],
        dict(iline=(1001, 1250), xline=(2000, 2500)),
    ),
    (['INLINE BYTES 189-192'], {}),
    (['IL: 9-12'], {}),
    (['Inline number : bytes 5-8'], {}),
    (['ILINE 189 XLINE 193'], {}),
    (['INLINE FROM 10 TO 13'], dict(iline=(10, 13))),
    (['INLINES 201-204, CROSSLINES 300-303'], dict(iline=(201, 204), xline=(300, 303))),
    (['Crossline: 100-200 (1)  Inline: 5-90 (1)'], dict(iline=(5, 90), xline=(100, 200))),
    (['TRACE HEADER POSITION:', '  INLINE BYTES 189-193    ¦ OFFSET BYTES 037-041'], {}),
    (
        [
            'FIRST IN-LINE 1001, LAST IN-LINE 1200, FIRST CROSS-LINE 4001 LAST CROSS-LINE 5000',
        ],
        dict(iline=(1001, 1200), xline=(4001, 5000)),
    ),
]


def cards(lines):
    return [f'C{k:2d} {line}' for k, line in enumerate(lines, 1)]


@pytest.mark.parametrize('lines, right', NAMED, ids=lambda v: str(v)[:40])
def test_named_bytes(lines, right):
    for written in (lines, cards(lines)):
        found = named_bytes(written)
        assert {name: byte for name, (byte, _) in found.items()} == right
        assert all(
            quote in written or quote in map(str.strip, written) for _, quote in found.values()
        )


@pytest.mark.parametrize('lines', NUMBERS, ids=lambda v: str(v)[:40])
def test_line_numbers_are_not_bytes(lines):
    assert named_bytes(lines) == named_bytes(cards(lines)) == {}


@pytest.mark.parametrize('lines, right', RANGES, ids=lambda v: str(v)[:40])
def test_named_ranges(lines, right):
    for written in (lines, cards(lines)):
        assert {name: found[:2] for name, found in named_ranges(written).items()} == right
