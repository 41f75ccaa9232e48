"What counts as the same output of a notebook's cell (tests/notebooks.py)."

import base64
import io
import json

import matplotlib.pyplot as plt
import notebooks
import pytest
from conftest import ROOT


@pytest.mark.parametrize(
    'stored, shown, same',
    [
        ('20 hits, best 0.912', '20 hits, best 0.911', True),
        ('20 hits, best 0.912', '21 hits, best 0.912', False),
        ('20 hits, best 0.912', '20 hits, best 0.852', False),
        ('1,000 windows', '1,001 windows', False),
        ('inline 1200 is dead', 'inline 1200 is live', False),
        ('a   b\n c', 'a b c', True),
        ('1e-05', '3e-05', False),
        ('0.0', '-0.0', True),
        ('[1.0, 2.5]', '[1.0, 2.5, 3.5]', False),
        ("f3_il110.sgy", "f3_il111.sgy", False),
    ],
)
def test_whole_numbers_and_words_are_exact(stored, shown, same):
    assert (notebooks.same_text(stored, shown) == '') == same


def png(draw, size=(3, 2)):
    "A picture as a notebook keeps it."
    fig, ax = plt.subplots(figsize=size, dpi=70)
    draw(ax)
    file = io.BytesIO()
    fig.savefig(file, format='png')
    plt.close(fig)
    return base64.b64encode(file.getvalue()).decode()


def line(ax):
    ax.plot([0, 1, 4, 9])
    ax.set(xlabel='offset', title='a curve')


def titled(ax):
    line(ax)
    ax.set_title('')


def other(ax):
    line(ax)
    ax.lines[0].set_ydata([0, 1, 4, 6])


def test_a_picture_without_its_title_is_another_one():
    assert notebooks.same_picture(png(line), png(line)) == ''
    for draw in (titled, other):
        assert 'another picture' in notebooks.same_picture(png(line), png(draw))
    assert 'where 1.50 to 1 is stored' in notebooks.same_picture(png(line), png(line, (4, 2)))


def output(text=None, **data):
    if text is not None:
        return dict(output_type='stream', name='stdout', text=[text])
    named = {'text/plain': data.get('plain'), 'image/png': data.get('image')}
    return dict(output_type='display_data', data={k: v for k, v in named.items() if v})


def test_what_a_cell_no_longer_shows_is_noticed():
    table, said, picture = output(plain='a 1'), output('3 traces'), output(image=png(line))
    assert notebooks.compare([said, table, picture], [said, table, picture]) == ''
    assert 'nothing where said is stored' in notebooks.compare([said], [])
    assert 'text where text, picture is stored' in notebooks.compare([table, picture], [table])
    assert notebooks.compare([said], [], quiet=True) == ''
    assert '4 where 3 is stored' in notebooks.compare([said], [output('4 traces')])
    address = output(plain='<object at 0x7f00>')
    assert notebooks.compare([address], [output(plain='<object at 0x7fff>')]) == ''


def test_a_notebook_whose_output_differs_fails(tmp_path, monkeypatch):
    "And REFCON_WRITE_OUTPUTS=1 stores what it shows."
    cell = dict(cell_type='code', id='abc', metadata={}, execution_count=None)
    stored = [dict(output_type='stream', name='stdout', text=['3\n'])]
    path = tmp_path / 'one.ipynb'

    def write(source):
        notebook = json.loads((ROOT / 'nbs' / 'moved.ipynb').read_text())
        path.write_text(
            json.dumps(notebook | dict(cells=[cell | dict(source=source, outputs=stored)]))
        )

    write('print(3)')
    assert notebooks.test_nb(path, showerr=False)[0]
    write('print(4)')
    assert not notebooks.test_nb(path, showerr=False)[0]
    write('#| varies\nprint(4)')
    assert notebooks.test_nb(path, showerr=False)[0]
    write('print(4)')
    monkeypatch.setattr(notebooks, 'WRITE', True)
    assert notebooks.test_nb(path, showerr=False)[0]
    monkeypatch.setattr(notebooks, 'WRITE', False)
    assert notebooks.test_nb(path, showerr=False)[0]
    assert json.loads(path.read_text())['cells'][0]['outputs'][0]['text'] == ['4\n']
