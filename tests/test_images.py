"""Pictures as the person sees them: turned, transparent, deep, in colour scales.

What cannot be read is named together with the remedy."""

import io
import struct

import matplotlib
import numpy as np
import pytest
from PIL import Image

from reflection_connection.synthetic import synthetic_section
from reflection_connection.windows import (
    Recipe,
    WindowError,
    WindowReader,
    image_windows,
    read_image,
    read_picture,
    recognise_scale,
)

SECTION = synthetic_section(3, (64, 96)).data
AMPLITUDE = np.clip(SECTION / np.percentile(np.abs(SECTION), 99), -1, 1)
LEVEL = (AMPLITUDE + 1) / 2  # 0 black, 1 white
GREY = (LEVEL * 255).astype(np.uint8)


def like(a, b=AMPLITUDE):
    return float(np.corrcoef(np.asarray(a, float).ravel(), np.asarray(b, float).ravel())[0, 1])


def tiff(path, values, white_first, kind, bits, big):
    "An uncompressed TIFF of one strip."
    e = '>' if big else '<'
    h, w = values.shape
    data = values.astype(f"{e}{ {1: 'u', 2: 'i', 3: 'f'}[kind] }{bits // 8}").tobytes()
    tags = [
        (256, 4, w),
        (257, 4, h),
        (258, 3, bits),
        (259, 3, 1),
        (262, 3, int(not white_first)),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, h),
        (279, 4, len(data)),
        (339, 3, kind),
    ]
    out = (
        (b'MM\0*' if big else b'II*\0')
        + struct.pack(e + 'I', 8 + len(data))
        + data
        + struct.pack(e + 'H', len(tags))
    )
    for tag, form, v in tags:
        out += struct.pack(e + 'HHI', tag, form, 1) + (
            struct.pack(e + 'HH', v, 0) if form == 3 else struct.pack(e + 'I', v)
        )
    path.write_bytes(out + struct.pack(e + 'I', 0))
    return path


@pytest.mark.parametrize('big', [False, True], ids=['little', 'big'])
@pytest.mark.parametrize('white_first', [False, True], ids=['MinIsBlack', 'MinIsWhite'])
@pytest.mark.parametrize(
    'kind, bits, top',
    [
        (1, 8, 255),
        (1, 16, 65535),
        (1, 16, 4095),
        (1, 16, 255),
        (1, 32, 4e9),
        (1, 32, 65535),
        (2, 16, 30000),
        (2, 16, 2047),
        (2, 32, 2e9),
        (3, 32, 1),
        (3, 32, 5000),
        (3, 64, 1),
    ],
    ids=lambda v: f'{v:g}',
)
def test_tiff_of_every_kind(tmp_path, big, white_first, kind, bits, top):
    v = -AMPLITUDE if white_first else AMPLITUDE
    values = v * top if kind == 2 or top == 5000 else (v + 1) / 2 * top
    got, notes = read_picture(
        tiff(
            tmp_path / 'a.tif',
            np.round(values) if kind < 3 else values,
            white_first,
            kind,
            bits,
            big,
        )
    )
    assert (
        got.dtype == np.float32
        and np.isfinite(got).all()
        and like(got) > 0.9999
        and (kind != 3 or len(notes) == 1)
    )
    if kind == 1:
        assert -1 <= got.min() and got.max() <= 1
    if kind == 2 or top == 5000:
        assert abs(np.median(got[np.abs(AMPLITUDE) < 0.01])) < 0.02  # zero is zero


def test_floats_that_may_be_either_are_refused(tmp_path):
    with pytest.raises(WindowError, match=r'floating-point.*\.npy'):
        read_image(tiff(tmp_path / 'a.tif', LEVEL * 255, False, 3, 32, False))


def test_sixteen_bits_in_png_and_eight_are_the_same(tmp_path):
    Image.fromarray(GREY).save(tmp_path / '8.png')
    Image.fromarray(GREY.astype(np.uint16) * 257).save(tmp_path / '16.png')
    Image.fromarray(GREY.astype(np.uint16) * 257).save(tmp_path / '16.tif')
    assert np.allclose(
        read_image(tmp_path / '8.png'), read_image(tmp_path / '16.png'), atol=1e-6
    ) and np.allclose(read_image(tmp_path / '8.png'), read_image(tmp_path / '16.tif'), atol=1e-6)


WAYS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize('deep', [False, True], ids=['8 bits', '16 bits'])
@pytest.mark.parametrize('kind', ['png', 'tif', 'jpg'])
@pytest.mark.parametrize('way', WAYS)
def test_turned_as_its_exif_tag_says(tmp_path, way, kind, deep):
    if deep and kind == 'jpg':
        pytest.skip('JPEG has 8 bits')
    exif = Image.Exif()
    exif[0x0112] = way
    stored = np.asarray(Image.fromarray(GREY).transpose(WAYS[way]))
    Image.fromarray(stored.astype(np.uint16) * 257 if deep else stored).save(
        tmp_path / f'a.{kind}', exif=exif, **({'quality': 98} if kind == 'jpg' else {})
    )
    got = read_image(tmp_path / f'a.{kind}')
    assert got.shape == GREY.shape and like(got) > 0.999


def test_damaged_exif_is_said_and_the_picture_is_read(tmp_path):
    Image.fromarray(GREY).save(
        tmp_path / 'a.jpg', exif=b'Exif\0\0MM\0*\0\0\0\x08\0\xff\x01\x12', quality=98
    )
    got, notes = read_picture(tmp_path / 'a.jpg')
    assert like(got) > 0.999 and got.shape == GREY.shape


@pytest.mark.parametrize('mode', ['L', 'RGB', 'CMYK', 'YCbCr'])
def test_grey_however_it_is_stored_says_nothing(tmp_path, mode):
    Image.fromarray(GREY).convert('RGB').convert(mode).save(tmp_path / 'a.jpg', quality=97)
    got, notes = read_picture(tmp_path / 'a.jpg')
    assert like(got) > 0.998 and notes == []


def test_palettes(tmp_path):
    Image.fromarray(GREY).convert('P').save(tmp_path / 'a.png')
    got, notes = read_picture(tmp_path / 'a.png')
    assert like(got) > 0.99 and notes == []
    im = Image.fromarray(GREY, mode='P')
    im.putpalette(
        (matplotlib.colormaps['seismic'](np.linspace(0, 1, 256))[:, :3] * 255)
        .astype(np.uint8)
        .ravel()
        .tolist()
    )
    im.save(tmp_path / 'b.png')
    got, notes = read_picture(tmp_path / 'b.png')
    assert like(got) > 0.999 and 'seismic' in notes[0]


@pytest.mark.parametrize('mode', ['RGBA', 'LA', 'P', 'L', 'I;16'])
def test_transparent_pixels_are_not_data(tmp_path, mode):
    clear = np.add.outer(range(64), range(96)) < 60
    path = tmp_path / 'a.png'
    if mode == 'RGBA':
        Image.fromarray(
            np.dstack([np.where(clear, 0, GREY)] * 3 + [np.where(clear, 0, 255)]).astype(np.uint8)
        ).save(path)
    elif mode == 'LA':
        Image.merge(
            'LA', [Image.fromarray(GREY), Image.fromarray(np.where(clear, 0, 255).astype(np.uint8))]
        ).save(path)
    else:
        Image.fromarray(
            np.where(clear, 7, np.maximum(GREY, 8)).astype(
                np.uint16 if mode == 'I;16' else np.uint8
            )
        ).convert('P' if mode == 'P' else None).save(path, transparency=7)
    got = read_image(path)
    assert (np.isnan(got) == clear).all() and like(got[~clear], AMPLITUDE[~clear]) > 0.999
    frame, _ = image_windows(tmp_path)
    assert frame.live[0] == pytest.approx(1 - clear.mean())
    pixels, live, _ = WindowReader(frame)[0]
    assert (live == ~clear).all() and np.isfinite(Recipe().scale(pixels, live)).all()


def test_half_transparent_is_seen_over_white_and_wholly_transparent_refused(tmp_path):
    alpha = np.full(GREY.shape, 255, np.uint8)
    alpha[:8] = 128
    Image.fromarray(np.dstack([GREY] * 3 + [alpha])).save(tmp_path / 'a.png')
    got = read_image(tmp_path / 'a.png')
    assert np.allclose(
        (got[:8] + 1) / 2 * 255, 255 - (255.0 - GREY[:8]) * 128 / 255, atol=1.5
    ) and np.allclose(got[8:], GREY[8:] / 255 * 2 - 1, atol=1e-6)
    Image.fromarray(np.dstack([GREY] * 3 + [np.full_like(GREY, 90)])).save(tmp_path / 'a.png')
    assert like(read_image(tmp_path / 'a.png')) > 0.999  # a figure of one transparency
    Image.fromarray(np.dstack([GREY] * 3 + [np.zeros_like(GREY)])).save(tmp_path / 'a.png')
    with pytest.raises(WindowError, match='transparent'):
        read_image(tmp_path / 'a.png')


SCALES = [
    'seismic',
    'bwr',
    'RdBu',
    'RdBu_r',
    'PuOr',
    'RdGy',
    'BrBG',
    'RdYlBu',
    'Spectral',
    'coolwarm',
    'viridis',
    'plasma',
    'inferno',
    'magma',
    'cividis',
    'turbo',
    'jet',
    'hot',
    'copper',
    'YlOrBr',
    'Blues',
]


def drawn(name, amplitude=AMPLITUDE):
    return Image.fromarray(
        (matplotlib.colormaps[name]((amplitude + 1) / 2)[..., :3] * 255).astype(np.uint8)
    )


@pytest.mark.parametrize('name', SCALES)
def test_colour_scales_are_read_back(tmp_path, name):
    drawn(name).save(tmp_path / 'a.png')
    got, notes = read_picture(tmp_path / 'a.png')
    assert (
        np.abs(got - (-1 if name.endswith('_r') else 1) * AMPLITUDE).max() < 0.04
        and f"colour scale {name.removesuffix('_r')}:" in notes[0]
        and 'polarity' in notes[0]
    )


@pytest.mark.parametrize('quality, subsampling', [(95, 0), (75, 0), (90, 2), (75, 2)])
@pytest.mark.parametrize(
    'name', ['seismic', 'RdBu', 'PuOr', 'viridis', 'coolwarm', 'jet', 'RdYlBu', 'cividis']
)
def test_colour_scales_of_screenshots_in_jpeg(tmp_path, name, quality, subsampling):
    big = AMPLITUDE.repeat(3, 0).repeat(3, 1)
    drawn(name, big).save(tmp_path / 'a.jpg', quality=quality, subsampling=subsampling)
    got, notes = read_picture(tmp_path / 'a.jpg')
    assert f'colour scale {name}:' in notes[0] and like(got, big) > 0.95


def test_scales_of_interpretation_software(tmp_path):
    stops = np.array(
        [
            (161, 255, 255),
            (0, 0, 191),
            (77, 77, 77),
            (204, 204, 204),
            (97, 69, 0),
            (191, 0, 0),
            (255, 255, 0),
        ],
        float,
    )
    at = [0, 0.31, 0.39, 0.5, 0.61, 0.69, 1]
    Image.fromarray(np.stack([np.interp(LEVEL, at, c) for c in stops.T], -1).astype(np.uint8)).save(
        tmp_path / 'a.png'
    )
    got, notes = read_picture(tmp_path / 'a.png')
    assert np.abs(got - AMPLITUDE).max() < 0.05 and 'cyan as low and yellow as high' in notes[0]
    Image.fromarray(
        np.stack(
            [np.interp(LEVEL, [0, 0.5, 1], c) for c in ((0, 255, 255), (0, 255, 0), (0, 255, 0))],
            -1,
        ).astype(np.uint8)
    ).save(tmp_path / 'a.png')
    got, notes = read_picture(tmp_path / 'a.png')
    assert like(got) > 0.999 and 'black-white-red' in notes[0]


def test_other_colours_are_made_grey_and_it_says_so(tmp_path):
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    photo = np.stack([gaussian_filter(rng.normal(size=(96, 96)), 4) for _ in range(3)], -1)
    photo = ((photo - photo.min()) / np.ptp(photo) * 255).astype(np.uint8)
    Image.fromarray(photo).save(tmp_path / 'a.png')
    got, notes = read_picture(tmp_path / 'a.png')
    assert (
        recognise_scale(photo) == ''
        and 'no known colour scale' in notes[0]
        and 'made grey' in notes[0]
        and like(got, np.asarray(Image.fromarray(photo).convert('L'))) > 0.999
    )
    marked = np.dstack([GREY] * 3)
    marked[30:33, 10:60] = (255, 0, 0)
    Image.fromarray(marked).save(tmp_path / 'b.png')
    got, notes = read_picture(tmp_path / 'b.png')  # a line that an interpreter drew
    assert '2% of the pixels are coloured' in notes[0] and like(got[40:], AMPLITUDE[40:]) > 0.999


def test_a_folder_in_colour_says_so_once(tmp_path, capsys):
    (tmp_path / 'Salt').mkdir()
    for k in range(3):
        drawn('seismic').save(tmp_path / 'Salt' / f'{k}.png')
    image_windows(tmp_path)
    said = capsys.readouterr().out
    assert (
        said.count('seismic') == 1
        and 'Salt/0.png and 2 more: drawn in the colour scale seismic' in said
    )


def test_amplitudes_as_a_query_and_in_a_folder(tmp_path):
    np.save(tmp_path / 'a.npy', SECTION.astype('f4'))
    got, notes = read_picture(tmp_path / 'a.npy')
    assert (
        notes == []
        and got.shape == SECTION.shape
        and np.allclose(
            got,
            SECTION
            / np.percentile(
                np.abs(SECTION[SECTION != 0] if (SECTION == 0).all(0).any() else SECTION), 99
            ),
            rtol=1e-3,
            atol=1e-6,
        )
    )
    dead = SECTION.copy()
    dead[:, :10] = 0
    dead[5, 20] = np.nan
    np.save(tmp_path / 'b.npy', dead)
    got = read_image(tmp_path / 'b.npy')
    assert np.isnan(got[:, :10]).all() and np.isnan(got[5, 20]) and np.isfinite(got[:, 30:]).all()
    np.save(tmp_path / 'int.npy', (AMPLITUDE * 1000).astype('i2'))
    got = read_image(tmp_path / 'int.npy')
    live = np.isfinite(got)
    assert live.mean() > 0.9 and like(got[live], AMPLITUDE[live]) > 0.999
    frame, report = image_windows(tmp_path)
    assert frame.id.tolist() == ['a.npy', 'b.npy', 'int.npy'] and not len(report)
    for wrong, says in (
        (np.ones((4, 5, 6), 'f4') * np.arange(6), 'three dimensions'),
        (np.ones(5), 'not a readable image'),
        (np.array([['a']]), 'not numbers'),
        (np.zeros((9, 9)), 'same value'),
    ):
        np.save(tmp_path / 'c.npy', wrong)
        with pytest.raises(WindowError, match=says):
            read_image(tmp_path / 'c.npy')


def test_other_formats_are_named_with_the_remedy(tmp_path):
    im = Image.fromarray(GREY)
    for kind, name in (('gif', 'GIF'), ('webp', 'WebP'), ('jp2', 'JPEG 2000')):
        im.save(tmp_path / f'a.{kind}')
        with pytest.raises(WindowError, match=f'it is {name}.*save it as PNG'):
            read_image(tmp_path / f'a.{kind}')
    for first, name in (
        (b'%PDF-1.4', 'PDF'),
        (b'<svg xmlns', 'SVG'),
        (b'8BPS', 'Photoshop'),
        (b'\0\0\0\x18ftypheic', 'HEIF'),
        (b'\0\0\0\x18ftypavif', 'AVIF'),
        (b'%!PS', 'PostScript'),
    ):
        (tmp_path / 'a.png').write_bytes(first + bytes(99))
        with pytest.raises(WindowError, match=f'it is {name}'):
            read_image(tmp_path / 'a.png')
    (tmp_path / 'Salt').mkdir()
    im.save(tmp_path / 'Salt' / 'a.gif')
    im.save(tmp_path / 'Salt' / 'b.png')
    (tmp_path / 'a.gif').unlink()
    (tmp_path / 'a.png').unlink()
    _, report = image_windows(tmp_path)
    assert report.file.tolist() == ['Salt/a.gif'] or 'Salt/a.gif' in report.file.tolist()


def test_the_library_says_what_it_assumed(tmp_path, capsys, encoder_folder):
    from reflection_connection.encoder import Encoder

    drawn('RdBu').save(tmp_path / 'a.png')
    np.save(tmp_path / 'a.npy', AMPLITUDE)
    encoder = Encoder.load(encoder_folder)
    z = encoder.embed([tmp_path / 'a.png', tmp_path / 'a.npy'])
    assert (
        1 - z[0] @ z[1] < 1e-3
        and 'a.png: drawn in the colour scale RdBu' in capsys.readouterr().out
    )


def test_memory_of_large_pictures(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(GREY).resize((3000, 2000)).convert('RGB').save(buffer, 'PNG')
    (tmp_path / 'a.png').write_bytes(buffer.getvalue())
    assert read_image(tmp_path / 'a.png').shape == (2000, 3000)
