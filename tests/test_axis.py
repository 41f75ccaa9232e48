"""Interval, first sample, domain and unit: what headers and texts say, what is taken, and what is said about it."""

import struct

import numpy as np
import pytest
import segyio
from test_volume import grid, segy

from reflection_connection.volume import open_volume, preflight, write_segy_like
from reflection_connection.volume.vertical import (
    depth_unit_said,
    domain_of,
    intervals_said,
    starts_said,
)

# Lines of a textual header, and the domain: 'time' or 'depth' is stated, '-' is assumed,
# '?' has a doubt that must be said.
DOMAINS = [
    (['BP 2004 VELOCITY MODEL', 'DZ 6.25 M  DX 12.5 M'], 'depth'),
    (
        [
            'DATA TYPE: PSDM FULL OFFSET STACK IN DEPTH',
            'FIRST SAMPLE: 4 M',
            'SAMPLE INTERVAL : 5 M',
        ],
        'depth',
    ),
    (['KIRCHHOFF PSDM, DEPTH TO TIME CONVERTED (TWT)', 'SAMPLE INTERVAL: 4 MS'], 'time'),
    (['SAMPLE INTERVAL 4 M.SEC'], 'time'),
    (['SAMPLE RATE: 2 M SECS'], 'time'),
    (['VERTICAL UNIT: METERS', 'SAMPLE RATE: 10'], 'depth'),
    (['Sample interval: 5.00', 'Z unit: m', 'SRD 0'], 'depth'),
    (
        [
            'Trace min: -12 Trace max: 12  Seismic (template)',
            'Time min: -4.00 max: -1848.00 delta: 4.00',
        ],
        'time',
    ),
    (['Depth min: -4.00 max: -1848.00 delta: 4.00'], 'depth'),
    (['OpenDtect SEG-Y export', 'Depth range: 0 - 3000 m; step 5'], 'depth'),
    (
        ['WATER DEPTH SECTION OF SURVEY NOT APPLIED', 'STREAMER DEPTH 7 M', 'SAMPLE INTERVAL 2 MS'],
        'time',
    ),
    (['PSTM VOLUME CONVERTED TO DEPTH WITH FINAL VELOCITIES', 'SAMPLE RATE 4'], 'depth'),
    (['PSDM STRETCHED BACK TO TWT', 'SAMPLE INTERVAL 4MS'], 'time'),
    (['Abtastintervall 4 ms, Tiefenmigration, in Zeit'], 'time'),
    (['DEPTH CONVERTED VOLUME   UNITS: FEET', 'SAMPLE RATE 20'], 'depth'),
    (['SEGY OUTPUT FROM Petrel 2019.3', 'Depth min: -4502.00 max: -2.00 delta: 4500.00'], 'depth'),
    (
        [
            'SEGY OUTPUT FROM Petrel 2016',
            'Time min: -3500.00 max: 0.00 delta: 3500.00',
            'Trace start time/depth      : bytes 109-110',
        ],
        'time',
    ),
    (['Created by: OpendTect', 'First sample time (ms): 4', 'SEG Y REV1'], 'time'),
    (['OpendTect: Z domain: Depth (m)', 'Z range: 0 - 4000 - 5'], 'depth'),
    (['Z range (ms): 0 - 1848 - 4'], 'time|time-'),
    (['KINGDOM SUITE EXPORT', 'TIME/DEPTH: DEPTH', 'SAMPLE INTERVAL 10'], 'depth|time?-|time-'),
    (['SMT KINGDOM: VERTICAL DOMAIN = TWT'], 'time'),
    (
        [
            'PROMAX SEG-Y OUT',
            'PRE-STACK KIRCHHOFF TIME MIGRATION',
            'SAMPLE RATE 4 MS  LENGTH 6000 MS',
        ],
        'time',
    ),
    (['PROMAX', 'PSDM FINAL STACK', 'OUTPUT SAMPLE RATE 5 M, MAX DEPTH 8000 M'], 'depth'),
    (
        [
            'OMEGA: 3D PRESTACK DEPTH MIGRATION (KIRCHHOFF)',
            'DATA DELIVERED IN TWO WAY TIME',
            'SI 4 MS',
        ],
        'time',
    ),
    (
        [
            'OMEGA: 3D PRESTACK DEPTH MIGRATION (KIRCHHOFF)',
            'DATA DELIVERED IN DEPTH',
            'FIELD SAMPLE INTERVAL 2 MS',
        ],
        'depth',
    ),
    (['OMEGA: 3D PRESTACK DEPTH MIGRATION (KIRCHHOFF)'], 'time?-'),
    (['ANISOTROPIC PSDM', 'AIRGUN SOURCE DEPTH 6 M, CABLE DEPTH 8 M'], 'time?-'),
    (['PARADIGM FOCUS: DEPTH DOMAIN SEISMIC'], 'depth'),
    (['GEOTERIC ATTRIBUTE VOLUME', 'Domain: Time'], 'time'),
    (['LANDMARK SEISWORKS 3DV', 'DOMAIN=DEPTH', 'UNITS=FT'], 'depth'),
    (['LANDMARK OPENWORKS: sample_interval=4.000 digi domain=TIME'], 'time'),
    (['NPD: PSDM KIRCH FULL OFFSET STACK, DEPTH', 'SAMPLE INTERVAL: 5000'], 'time?-|depth'),
    (['SHELL EXPRO: POSTSTACK MIGRATED DATA; TWT MSEC'], 'time'),
    (['NAM: PreSDM tijd-geconverteerd', 'Bemonsteringsinterval 4 ms'], 'time'),
    (['NAM: dieptesectie, bemonsteringsinterval 5 m'], 'depth'),
    (['ENCANA: DEPTH SECTION', 'SAMPLE RATE 2.5 METRES'], 'depth'),
    (['WESTERNGECO: SAMPLE INTERVAL 4 MILLISECONDS'], 'time'),
    (
        ['GEOSCIENCE AUSTRALIA: LINE GA302', 'RECORD LENGTH: 12 SEC   SAMPLE INTERVAL: 4 MSEC'],
        'time',
    ),
    (['SANTOS: PSDM DEPTH STRETCHED TO TIME', 'WATER DEPTH: 1200 M'], 'time'),
    (['DEPTH MIGRATED STACK SCALED TO TIME'], 'time'),
    (['DEPTH MIGRATED STACK (DEPTH DOMAIN), CONVERTED FROM TWT TO DEPTH'], 'depth'),
    (['Tiefenschnitt, Abtastrate 5 m'], 'depth'),
    (['Zeitschnitt, Abtastrate 4 ms'], 'time'),
    (['Tiefenkonvertiert mit VSP-Modell'], 'depth'),
    (['Wassertiefe 20 m, Abtastintervall 2 ms'], 'time'),
    (['Tiefe der Quelle 5 m'], 'time-'),
    (['Tiefenmigration (PreSDM)'], 'time?-'),
    (["SECTION MIGREE EN PROFONDEUR, PAS D'ECHANTILLONNAGE 5 M"], 'depth'),
    (["SECTION TEMPS, PAS D'ECHANTILLONNAGE: 4 MS"], 'time'),
    (["Profondeur d'eau 120 m", "pas d'échantillonnage 2 ms"], 'time'),
    (['CONVERTI EN PROFONDEUR'], 'depth'),
    (['MIGRACION EN PROFUNDIDAD', 'INTERVALO DE MUESTREO 5 M'], 'depth'),
    (['SECCION EN TIEMPO', 'INTERVALO DE MUESTREO 4 MS'], 'time'),
    (['CONVERTIDO A PROFUNDIDAD'], 'depth'),
    (['PROFUNDIDAD DE AGUA 50 M'], 'time-'),
    (['COMMON DEPTH POINT STACK'], 'time-'),
    (['CDP STACK, DEPTH POINT SPACING 12.5 M'], 'time-'),
    (['NOT DEPTH CONVERTED', 'SAMPLE INTERVAL 4 MS'], 'time'),
    (['NO DEPTH CONVERSION APPLIED'], 'time-'),
    (['DOMAIN: DEPTH', 'DOMAIN: TIME'], 'time?|depth?'),
    (['SAMPLE INTERVAL 4 MS', 'CONVERTED TO DEPTH'], 'time?|depth?'),
    (
        [
            'CLIENT                        COMPANY                       CREW NO',
            'SAMPLE INTERNAL         SAMPLES/TRACE       BITS/IN      BYTES/SAMPLE',
            'MAP PROJECTION                      ZONE ID       COORDINATE UNITS',
        ],
        'time-',
    ),
    (
        [
            'SWEEP: START     HZ  END     HZ  LENGTH      MS  CHANNEL NO     TYPE',
            'AN INCREASE IN AMPLITUDE EQUALS AN INCREASE IN ACOUSTIC IMPEDANCE',
        ],
        'time-',
    ),
    (['GUN DEPTH 5 M  CABLE DEPTH 7 M  WATER DEPTH 300 M'], 'time-'),
    (['SHOT DEPTH: 18 M'], 'time-'),
    (['ARRAY VOLUME 3090 CU IN AT DEPTH 5 M'], 'time-'),
    (['DATE: 2019-03-01 TIME: 14:20:56'], 'time-'),
    (['REVERSE TIME MIGRATION (RTM)'], 'time?-'),
    (['RTM DEPTH VOLUME 10 M'], 'depth'),
    (['DEPTH: 0 - 6000 M'], 'depth|time?-'),
    (['SAMPLE RATE (FT): 20'], 'depth'),
    (['SAMPLE INT 10 FEET'], 'depth'),
    (['DELTA Z = 5 m'], 'depth'),
    (['dz=5'], 'time-|depth'),
    (['Vertical sampling: 5 m'], 'depth'),
    (['Depth step: 5 m'], 'depth'),
    (['Z INCREMENT: 10 US SURVEY FEET'], 'depth'),
    (['2001 SAMPLES AT 2 MS'], 'time|time-'),
    (['TRACES SAMPLED EVERY 5 M IN DEPTH'], 'depth'),
    (['4MS SAMPLING'], 'time'),
    (['SAMPLE INTERVAL: 4000 MICROSECONDS'], 'time'),
    (['SAMPLE PERIOD 0.004 SEC'], 'time'),
    (['PSTM STACK'], 'time-'),
    (['TIME MIGRATED STACK'], 'time-|time'),
    (['DATA TYPE: DEPTH MIGRATED STACK'], 'time?-'),
    (['DATA TYPE: TIME MIGRATED STACK'], 'time-|time'),
    (['DEPTH VELOCITY MODEL'], 'time?-|depth'),
    (['FINAL PSDM VOLUME IN TIME'], 'time'),
    (['TWT'], 'time'),
    (['TWTT (MS)'], 'time'),
    (['PSDM-TWT'], 'time'),
    (['MIGRATED IN TIME, THEN CONVERTED TO DEPTH'], 'depth'),
    (['TIME TO DEPTH CONVERTED USING WELL VELOCITIES'], 'depth'),
    (['TIME-DEPTH CONVERSION WITH CHECKSHOTS'], 'depth'),
    (['COORDINATE UNITS: METERS', 'SAMPLE INTERVAL 2 MS'], 'time'),
    (['MEASUREMENT SYSTEM: METERS'], 'time-'),
    (['GROUP INTERVAL 25 M SHOT INTERVAL 50 M'], 'time-'),
    (['BIN SPACING 12.5 M X 25 M'], 'time-'),
    (['RESAMPLED TO 4 MS'], 'time-|time'),
    (['AGC 500 MS'], 'time-'),
    (['F-K FILTER, DEPTH VARIANT'], 'time?-'),
    (['POSTSTACK TIME AND DEPTH: VOLUME IN DEPTH (FT)'], 'depth'),
    (['SEISMIC DATUM: MSL  DEPTHS IN FEET BELOW SRD'], 'depth|time?-'),
    (['DEPTH SLICES OF 10 M'], 'depth|time?-'),
    (['TVDSS METRES'], 'depth|time-'),
    (['SEABED DEPTH FROM MULTIBEAM'], 'time-'),
    (['RECORDED WITH SAMPLE INTERVAL 2 MS', 'PSDM OUTPUT IN DEPTH, STEP 5 M'], 'depth'),
    (['INSTRUMENT SAMPLE RATE 2 MS', 'DEPTH DOMAIN'], 'depth'),
]

# lines, and the intervals that they give
INTERVALS = [
    (['SAMPLE INTERVAL : 5 M'], [(5.0, 'm')]),
    (['SAMPLE RATE 4 MS'], [(4.0, 'ms')]),
    (['SAMPLE RATE: 10'], [(10.0, '')]),
    (['Sample interval: 5.00'], [(5.0, '')]),
    (['DZ 6.25 M  DX 12.5 M'], [(6.25, 'm')]),
    (['SAMPLE INTERVAL 20 FT'], [(20.0, 'ft')]),
    (['SAMPLE RATE 250 HZ'], [(4.0, 'ms')]),
    (['SAMPLE INTERVAL         SAMPLES/TRACE 1501'], []),
    (['Sample interval             : bytes 17-18'], []),
    (['SAMPLE INTERVAL (MS) 4.0'], [(4.0, 'ms')]),
    (['SAMPLE INTERVAL (microseconds): 4000'], [(4000.0, 'us')]),
    (['Samples/trace: 1501  Sample interval: 4 ms'], [(4.0, 'ms')]),
    (['SAMPLING RATE: 2MS'], [(2.0, 'ms')]),
    (['GROUP INTERVAL 25 M SHOT INTERVAL 50 M'], []),
    (['Abtastintervall 4 ms'], [(4.0, 'ms')]),
    (["PAS D'ECHANTILLONNAGE: 4 MS"], [(4.0, 'ms')]),
    (['INTERVALO DE MUESTREO 4 MS'], [(4.0, 'ms')]),
    (['SI: 4 MS'], [(4.0, 'ms')]),
    (['DT=2.0 MS'], [(2.0, 'ms')]),
    (['SAMPLE INTERVAL 4 M.SEC'], [(4.0, 'ms')]),
    (['INLINE INTERVAL 25 M'], []),
    (['TIME INTERVAL 4 MS'], [(4.0, 'ms')]),
    (['SAMPLE INTERVAL 3.333 MS'], [(3.333, 'ms')]),
    (['Sample Interval in ms: 4'], [(4.0, 'ms')]),
    (['SAMPLES PER TRACE 1001 4 MS'], []),
    (['SAMPLE CODE: FLOATING PT'], []),
    (['BYTES/SAMPLE 4'], []),
    (['NO OF SAMPLES 1500'], []),
    (['SAMPLE INTERVAL, MS: 4'], [(4.0, 'ms')]),
]

# lines, and the first samples that they give
STARTS = [
    (['FIRST SAMPLE: 4 M'], [(4.0, 'm')]),
    (['First sample time (ms): 4'], [(4.0, 'ms')]),
    (['Time min: -252.00 max: 0.00 delta: 4.00'], [(0.0, '')]),
    (['Depth range: 0 - 3000 m; step 5'], [(0.0, 'm')]),
    (['START TIME: 1800 MS'], [(1800.0, 'ms')]),
    (['START TIME: 14:20:56'], []),
    (['TIME OF FIRST SAMPLE: 1800 MS'], [(1800.0, 'ms')]),
    (['Trace start time/depth      : bytes 109-110'], []),
    (['Time min: -4.00 max: -1848.00 delta: 4.00'], [(4.0, '')]),
    (['TIME RANGE: 1800 TO 4000 MS'], [(1800.0, 'ms')]),
    (['T0 = 100 MS'], [(100.0, 'ms')]),
    (['Start depth (m): 1000'], [(1000.0, 'm')]),
    (['FIRST SAMPLE AT 500 MS'], [(500.0, 'ms')]),
    (['Start time 2019'], [(2019.0, '')]),
    (['First sample 0 Last sample 1848'], [(0.0, '')]),
]

# lines, and the unit of depth
UNITS = [
    (['SAMPLE INTERVAL 20 FT'], 'ft'),
    (['UNITS: FEET'], 'ft'),
    (['Z unit: ft'], 'ft'),
    (['COORDINATE UNITS: FEET'], ''),
    (['Z INCREMENT: 10 US SURVEY FEET'], 'ft'),
    (['Depth range: 0 - 3000 m; step 5'], 'm'),
    (['DEPTH (FT)'], 'ft'),
    (['VERTICAL UNIT: METERS'], 'm'),
    (['WATER DEPTH 300 FT'], ''),
    (['XY UNITS: M  Z UNITS: FT'], 'ft'),
    (['DEPTHS IN FEET BELOW SRD'], 'ft'),
]


def cards(lines):
    return [f'C{k:2d} {line}' for k, line in enumerate(lines, 1)]


def short(value):
    return str(value)[:40]


@pytest.mark.parametrize('lines, right', DOMAINS, ids=short)
def test_domain(lines, right):
    for written in (lines, cards(lines)):
        found = domain_of(written)
        assert found.name + '?' * bool(found.doubt) + '-' * found.assumed in right.split('|'), found


@pytest.mark.parametrize('lines, right', INTERVALS, ids=short)
def test_intervals_of_the_text(lines, right):
    for written in (lines, cards(lines)):
        assert [(said.value, said.unit) for said in intervals_said(written)] == right


@pytest.mark.parametrize('lines, right', STARTS, ids=short)
def test_starts_of_the_text(lines, right):
    for written in (lines, cards(lines)):
        assert [(said.value, said.unit) for said in starts_said(written)] == right


@pytest.mark.parametrize('lines, right', UNITS, ids=short)
def test_unit_of_the_text(lines, right):
    assert depth_unit_said(lines)[0] == depth_unit_said(cards(lines))[0] == right


# ---- files
SHORT = (29, 71, 89, 105, 107, 109, 117, 215)  # trace header words of two bytes


def volume(path, text=(), binary=(), doubles=(), endian='>', ns=64, **fields):
    """A SEG-Y of 4 inlines and 5 crosslines with such a text, binary header and trace headers (b109=…).

    Its bytes are written without code of the package."""
    traces, il, xl = grid(ns=ns)
    fields = dict(b117=4000, b71=1, b181=xl * 25, b185=il * 25) | fields
    wide = {name: v for name, v in fields.items() if int(name[1:]) not in SHORT}
    segy(path, traces, il, xl, endian=endian, tr_dt=0, **wide)
    data = np.frombuffer(bytearray(path.read_bytes()), np.uint8)
    lines = ''.join(line[:80].ljust(80) for line in cards([*text, *[''] * (40 - len(text))]))
    data[:3200] = np.frombuffer(lines.encode('cp037'), np.uint8)
    for at, value in dict(binary).items():
        data[at - 1 : at + 1] = np.frombuffer(np.array([value], endian + 'i2').tobytes(), np.uint8)
    for at, value in dict(doubles).items():
        data[at - 1 : at + 7] = np.frombuffer(struct.pack(endian + 'd', value), np.uint8)
    records = data[3600:].reshape(len(traces), -1)
    for name in set(fields) - set(wide):
        at = int(name[1:])
        column = np.broadcast_to(fields[name], len(traces)).astype(np.int64).astype(endian + 'i2')
        records[:, at - 1 : at + 1] = column.view(np.uint8).reshape(-1, 2)
    path.write_bytes(data.tobytes())
    return path


HALF = np.where(np.arange(20) < 10, 4000, 2000)
FIRST = np.arange(20) == 0
FILES = {  # name: (how it is made, what is right, words that a problem has, words that a note has)
    '50 m, unsigned': (
        dict(binary={3217: -15536}, b117=0, text=['DOMAIN: DEPTH']),
        dict(dt=50.0, unit='m'),
        [],
        ['unsigned'],
    ),
    '50 m, unsigned in trace headers alone': (
        dict(binary={3217: 0}, b117=-15536, text=['DOMAIN: DEPTH']),
        dict(dt=50.0),
        ['sample interval 0'],
        [],
    ),
    '50 ms is doubted': (
        dict(binary={3217: -15536}, b117=0),
        dict(dt=50.0),
        ['long for two-way time'],
        [],
    ),
    '-2 is nothing': (dict(binary={3217: -2}), dict(dt=4.0), ['sample interval -2'], []),
    '-4000 is nothing': (
        dict(binary={3217: -4000}, b117=-4000),
        dict(dt=1.0),
        ['no sample interval'],
        [],
    ),
    'headers differ': (
        dict(b117=2000),
        dict(dt=4.0),
        ['4 in the binary header but 2 in the trace headers'],
        [],
    ),
    'headers differ, the text decides': (
        dict(b117=2000, text=['SAMPLE RATE 2 MS']),
        dict(dt=2.0),
        ['which the textual header confirms'],
        [],
    ),
    'binary 0': (dict(binary={3217: 0}, b117=2000), dict(dt=2.0), ["trace headers' 2 is used"], []),
    'traces 0': (dict(b117=0), dict(dt=4.0), [], []),
    'half': (dict(binary={3217: 500}, b117=500), dict(dt=0.5), [], []),
    'odd': (dict(binary={3217: 3333}, b117=3333), dict(dt=3.333), [], []),
    'original interval is another': (dict(binary={3219: 2000}), dict(dt=4.0), [], []),
    'traces differ': (dict(b117=HALF), dict(dt=4.0), ['4 in 10 of 20 traces, 2 in 10'], []),
    'most traces have another': (
        dict(b117=np.where(FIRST, 4000, 2000)),
        dict(dt=2.0),
        ['2 in 19 of 20 traces, 4 in 1, 4 in the binary header'],
        [],
    ),
    'nothing but the text': (
        dict(binary={3217: 0}, b117=0, text=['SAMPLE RATE 4 MS']),
        dict(dt=4.0),
        [],
        ['by the textual header'],
    ),
    'nothing but the text, depth': (
        dict(binary={3217: 0}, b117=0, text=['SAMPLE INTERVAL : 5 M']),
        dict(dt=5.0, unit='m'),
        [],
        ['by the textual header'],
    ),
    'nothing but Petrel': (
        dict(binary={3217: 0}, b117=0, text=['Time min: -252.00 max: 0.00 delta: 4.00']),
        dict(dt=4.0, t0=0.0),
        [],
        ['delta'],
    ),
    'nothing': (dict(binary={3217: 0}, b117=0), dict(dt=1.0), ['no sample interval'], []),
    'text contradicts': (
        dict(text=['SAMPLE INTERVAL 2 MS']),
        dict(dt=4.0),
        ['4 in the headers but 2 in the textual header'],
        [],
    ),
    'text of the recording': (
        dict(text=['RECORDED WITH SAMPLE INTERVAL 2 MS']),
        dict(dt=4.0),
        [],
        [],
    ),
    'text agrees once': (
        dict(text=['FIELD SAMPLE RATE 2 MS', 'SAMPLE INTERVAL: 4000 MICROSECONDS']),
        dict(dt=4.0),
        [],
        [],
    ),
    'ms where µs belong': (dict(binary={3217: 4}, b117=4), dict(dt=0.004), ['looks like ms'], []),
    'ms where µs belong, by the text': (
        dict(binary={3217: 4}, b117=4, text=['SAMPLE INTERVAL 4 MS']),
        dict(dt=4.0),
        [],
        ['without thousandths'],
    ),
    'm where mm belong, by the text': (
        dict(binary={3217: 5}, b117=5, text=['SAMPLE INTERVAL 5 M']),
        dict(dt=5.0, unit='m'),
        [],
        ['without thousandths'],
    ),
    'revision 2': (
        dict(binary={3217: 6667, 3501: 0x200}, b117=6667, doubles={3273: 6666.667}),
        dict(dt=6.666667),
        [],
        [],
    ),
    'revision 2 differs': (
        dict(binary={3501: 0x200}, doubles={3273: 2000.0}),
        dict(dt=2.0),
        ['bytes 3273-3280', '4 in the trace headers'],
        [],
    ),
    'revision 2, NaN': (dict(binary={3501: 0x200}, doubles={3273: np.nan}), dict(dt=4.0), [], []),
    'revision 2, denormal': (
        dict(binary={3501: 0x200}, doubles={3273: 5e-324}),
        dict(dt=4.0),
        [],
        [],
    ),
    'revision 2, infinite': (
        dict(binary={3501: 0x200}, doubles={3273: np.inf}),
        dict(dt=4.0),
        [],
        [],
    ),
    'revision 1, a double is noise': (
        dict(binary={3501: 0x100}, doubles={3273: 2000.0}),
        dict(dt=4.0),
        [],
        [],
    ),
    'delay': (dict(b109=1800), dict(t0=1800.0), [], []),
    'delay and scalar': (dict(b109=18005, b215=-10), dict(t0=1800.5), [], []),
    'delay times 10': (dict(b109=180, b215=10), dict(t0=1800.0), [], []),
    'no scalar is 7': (dict(b109=1800, b215=7), dict(t0=1800.0), [], []),
    'negative delay': (dict(b109=-48), dict(t0=-48.0), [], []),
    'lag time': (dict(b105=1800), dict(t0=0.0), ['bytes 105-106) is 1800'], []),
    'lag time B': (dict(b107=1800), dict(t0=0.0), ['bytes 107-108) is 1800'], []),
    'lag time beside the delay': (dict(b105=-4, b109=4), dict(t0=4.0), [], []),
    'one trace without delay': (
        dict(b109=np.where(FIRST, 0, 1800)),
        dict(t0=1800.0),
        ['1800 in 19 of 20 traces, 0 in 1'],
        [],
    ),
    'start times differ': (dict(b109=np.arange(20)), dict(t0=0.0), ['16 other values'], []),
    'scalars differ': (
        dict(b109=np.where(FIRST, 1800, 18000), b215=np.where(FIRST, 0, -10)),
        dict(t0=1800.0),
        [],
        [],
    ),
    'text has another start': (
        dict(text=['FIRST SAMPLE: 500 MS']),
        dict(t0=0.0),
        ['at 500 by the textual header'],
        [],
    ),
    'text has the start': (dict(b109=500, text=['FIRST SAMPLE: 500 MS']), dict(t0=500.0), [], []),
    'Petrel counts upward': (
        dict(b109=4, text=['Time min: -256.00 max: -4.00 delta: 4.00']),
        dict(t0=4.0),
        [],
        [],
    ),
    'nothing says time': (dict(), dict(domain='time', unit='ms'), [], ['time in ms is assumed']),
    'stated time': (dict(text=['SAMPLE INTERVAL 4 M.SEC']), dict(domain='time'), [], []),
    'depth word': (
        dict(text=['PRE-STACK DEPTH MIGRATION']),
        dict(domain='time'),
        ['depth stands in the textual header'],
        ['assumed'],
    ),
    'water depth': (dict(text=['WATER DEPTH 300 M']), dict(domain='time'), [], ['assumed']),
    'both': (
        dict(text=['DOMAIN: DEPTH', 'SAMPLE INTERVAL 4 MS']),
        dict(domain='depth'),
        ['both depth'],
        [],
    ),
    'feet': (
        dict(
            text=['DOMAIN: DEPTH', 'SAMPLE INTERVAL 20 FT'],
            binary={3217: 20000, 3255: 2},
            b117=20000,
        ),
        dict(unit='ft', dt=20.0),
        [],
        ['depth, by'],
    ),
    'feet by the binary header': (
        dict(text=['DOMAIN: DEPTH'], binary={3255: 2}),
        dict(unit='ft'),
        [],
        [],
    ),
    'feet and metres': (
        dict(text=['DEPTH CONVERTED   UNITS: FEET'], binary={3255: 1}),
        dict(unit='ft'),
        ['ft by the textual header'],
        [],
    ),
    'unit unknown': (dict(text=['DOMAIN: DEPTH']), dict(unit='m'), [], ['taken to be in metres']),
    'trace code of revision 2': (
        dict(binary={3501: 0x200}, b29=25),
        dict(domain='depth'),
        [],
        ['code 25'],
    ),
    'trace code 25 before revision 2': (dict(b29=25), dict(domain='time'), [], ['assumed']),
    'trace code of Seismic Unix': (dict(b29=130), dict(domain='depth'), [], ['code 130']),
}


@pytest.mark.parametrize('endian', '><')
@pytest.mark.parametrize('name', FILES)
def test_file(tmp_path, name, endian):
    made, right, problems, notes = FILES[name]
    v = open_volume(volume(tmp_path / 'a.sgy', endian=endian, **made))
    for key, value in right.items():
        assert (
            getattr(v, key) == pytest.approx(value)
            if key in ('dt', 't0')
            else getattr(v, key) == value
        )
    axis = v.reader.axis
    for words in problems:
        assert any(words in p['problem'] for p in axis.problems), axis.problems
    for words in notes:
        assert any(words in note for note in axis.notes), axis.notes
    assert len(axis.problems) == len(problems), axis.problems
    assert all(p['remedy'] for p in axis.problems)


@pytest.mark.parametrize('name', FILES)
def test_what_the_caller_says_settles_it(tmp_path, name):
    path = volume(tmp_path / 'a.sgy', **FILES[name][0])
    for said in (
        dict(domain='time'),
        dict(domain='depth', units='ft'),
        dict(domain='depth', units='m'),
    ):
        v = open_volume(path, dt=2.5, t0=-10, **said)
        assert (v.dt, v.t0, v.domain, v.unit) == (
            2.5,
            -10.0,
            said['domain'],
            dict(m='m', ft='ft').get(said.get('units'), 'ms'),
        )
        assert v.reader.axis.problems == [] and not any(
            'assumed' in note or 'taken to be' in note for note in v.reader.axis.notes
        )


def test_units_of_coordinates_leave_depth_alone(tmp_path):
    path = volume(tmp_path / 'a.sgy', text=['DOMAIN: DEPTH', 'Z unit: ft'])
    assert (
        open_volume(path, units='degrees').unit == 'ft' and open_volume(path, units='m').unit == 'm'
    )


def test_traces_of_padding_have_no_start(tmp_path):
    path = volume(
        tmp_path / 'a.sgy',
        b109=np.where(FIRST, 0, 1800),
        b117=np.where(FIRST, 0, 4000),
        b71=np.where(FIRST, 0, 1),
    )
    data = bytearray(path.read_bytes())
    data[3600:3840] = bytes(240)
    path.write_bytes(data)
    v = open_volume(path)
    assert v.t0 == 1800 and v.reader.axis.problems == []


def test_extended_text_is_read(tmp_path):
    path = volume(tmp_path / 'a.sgy', binary={3505: 1})
    data = path.read_bytes()
    path.write_bytes(
        data[:3600] + 'VERTICAL DOMAIN: DEPTH'.ljust(3200).encode('cp037') + data[3600:]
    )
    assert open_volume(path).domain == 'depth'


def test_check_says_notes_and_problems(tmp_path):
    report = preflight(volume(tmp_path / 'a.sgy', text=['PRE-STACK DEPTH MIGRATION']))
    assert any('assumed' in note for note in report['notes'])
    assert any(
        p['problem'].startswith('time or depth?') and "domain='depth'" in p['remedy']
        for p in report['problems']
    )


# ---- maps
def axis_words(path, n=20):
    """Delay, interval and scalar of times of all traces, straight from the bytes.

    And bytes 3217, 3255 of the binary header."""
    data = np.frombuffer(path.read_bytes(), np.uint8)
    records = data[3600:].reshape(n, -1)
    word = lambda at: records[:, at - 1 : at + 1].copy().view('>i2').ravel().tolist()
    binary = [int(data[at - 1 : at + 1].copy().view('>i2')[0]) for at in (3217, 3255)]
    return word(109), word(117), word(215), binary


@pytest.mark.parametrize('name', FILES)
def test_a_map_has_the_axis_of_its_source(tmp_path, name):
    path = volume(tmp_path / 'a.sgy', **FILES[name][0])
    source = open_volume(path)
    copy = write_segy_like(
        source, tmp_path / 'map.sgy', [], note='likeness to inline 10, box 0 0 8 8'
    )
    back = open_volume(copy)
    assert (back.t0, back.dt, back.domain, back.unit) == (
        source.t0,
        source.dt,
        source.domain,
        source.unit,
    )
    assert np.array_equal(back.reader.headers(0, 20), source.reader.headers(0, 20))
    kwargs = dict(ignore_geometry=True)
    with segyio.open(path, **kwargs) as a, segyio.open(copy, **kwargs) as b:
        if source.reader.head[3216:3218] != bytes(2):
            assert np.array_equal(a.samples, b.samples)


@pytest.mark.parametrize('name', FILES)
@pytest.mark.parametrize(
    'said',
    [
        dict(dt=5),
        dict(dt=50.0, domain='depth'),
        dict(t0=100),
        dict(t0=1000.5),
        dict(t0=-40_000),
        dict(domain='time'),
        dict(domain='depth', units='ft'),
        dict(domain='depth', units='m', dt=3.2, t0=7),
    ],
    ids=short,
)
def test_a_map_has_the_axis_that_was_said(tmp_path, name, said):
    source = open_volume(volume(tmp_path / 'a.sgy', **FILES[name][0]), **said)
    copy = write_segy_like(source, tmp_path / 'map.sgy', [])
    back = open_volume(copy)
    assert back.dt == pytest.approx(source.dt) and back.t0 == pytest.approx(source.t0)
    assert (back.domain, back.unit) == (source.domain, source.unit)
    assert 'domain' not in said or not any(
        'time or depth?' in p['problem'] and 'both' in p['problem']
        for p in back.problems
        if back.domain != open_volume(source.path).domain
    )
    changed = (
        np.flatnonzero((back.reader.headers(0, 20) != source.reader.headers(0, 20)).any(0)) + 1
    )
    plain = open_volume(source.path)  # another domain may mean another statement of the text
    by_hand = {
        117: source.dt != plain.dt,
        118: source.dt != plain.dt,
        **dict.fromkeys((109, 110, 215, 216), source.t0 != plain.t0),
    }
    assert set(changed) <= {at for at, differs in by_hand.items() if differs}
    if {'dt', 't0'} <= set(said):
        with segyio.open(copy, ignore_geometry=True) as f:
            assert np.allclose(f.samples, source.axis)


def test_words_of_a_map(tmp_path):
    source = open_volume(volume(tmp_path / 'a.sgy'), dt=50, t0=1800.5, domain='depth', units='ft')
    delay, interval, scalar, binary = axis_words(write_segy_like(source, tmp_path / 'map.sgy', []))
    assert (set(delay), set(interval), set(scalar), binary) == (
        {18005},
        {-15536},
        {-10},
        [-15536, 2],
    )


def test_an_interval_that_16_bits_do_not_hold(tmp_path):
    source = open_volume(volume(tmp_path / 'a.sgy'), dt=10 / 3)
    assert open_volume(write_segy_like(source, tmp_path / 'map.sgy', [])).dt == 10 / 3
    np.save(tmp_path / 'cube.npy', np.ones((3, 4, 20)))
    cube = open_volume(tmp_path / 'cube.npy', dt=100, t0=2.5, domain='depth', units='ft')
    back = open_volume(write_segy_like(cube, tmp_path / 'cube.sgy', []))
    assert (back.dt, back.t0, back.domain, back.unit) == (100.0, 2.5, 'depth', 'ft')


def test_a_full_text_keeps_what_it_says(tmp_path):
    text = [f'LINE {k}' for k in range(37)] + ['DOMAIN: DEPTH', 'SAMPLE INTERVAL 4 M', 'END']
    source = open_volume(volume(tmp_path / 'a.sgy', text=text))
    back = open_volume(write_segy_like(source, tmp_path / 'map.sgy', [], note='likeness'))
    assert back.domain == 'depth' and any(
        'SAMPLE INTERVAL 4 M' in line for line in back.reader.text
    )
