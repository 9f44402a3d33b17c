"""The similarity matrix as a table, JSON and pictures."""

import json
import struct
import xml.etree.ElementTree as ElementTree
import zlib

import numpy as np
import pytest

TEXTS = ["I like grapes", "I like fruits", "The slow green turtle crawls under the busy ant."]


@pytest.fixture(scope="module")
def cosines(run, model):
    """numpy's cosines of the vectors that `embed` gives."""
    result = run("embed", "-m", model, "--output", "json", *TEXTS)
    vectors = np.array(json.loads(result.stdout)["embeddings"], np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors @ vectors.T


def test_json_equals_numpy(run, model, cosines):
    result = run("similarity", "-m", model, "--output", "json", *TEXTS)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["texts"] == TEXTS
    # Double sums rounded to float32 once: half a unit in the last place of 1 is 6e-8.
    np.testing.assert_allclose(found["similarity"], cosines, atol=1.2e-7)
    assert cosines[0, 1] > 0.5 > cosines[0, 2]


def test_json_escapes_texts(run, model):
    texts = ['a "quoted" \\ text', "two\nlines\r\n\t\x01\x7f", "日本語 😀"]
    assert json.loads(run("similarity", "-m", model, "--output", "json", *texts).stdout)["texts"] == texts


def test_table_equals_numpy(run, model, cosines):
    lines = run("similarity", "-m", model, *TEXTS).stdout.splitlines()
    assert lines[0].split() == ["1", "2", "3"]
    for row, line in enumerate(lines[1:]):
        assert line.split()[0] == str(row + 1)
        # Four decimals are printed.
        np.testing.assert_allclose([float(word) for word in line.split()[-3:]], cosines[row], atol=5.1e-5)


def test_labels_are_cut_cleaned_and_aligned(run, model):
    texts = ["short", "a very long text that does not fit into a column of the table", "two\nlines \x1b[31mred", "日本語"]
    result = run("similarity", "-m", model, *texts)
    lines = result.stdout.splitlines()
    assert len(lines) == 1 + len(texts)
    assert "a very long text that does not…" in lines[2]
    assert "\x1b" not in result.stdout
    assert "two lines [31mred" in lines[3]
    width = lambda line: sum(2 if ord(c) >= 0x2E80 else 1 for c in line)
    assert len({width(line) for line in lines}) == 1


def test_one_text_is_like_itself(run, model):
    assert run("similarity", "-m", model, "a").stdout.split()[-1] == "1.0000"


def test_svg_is_well_formed(run, model, cosines, out):
    texts = ['<b> & "quotes"', *TEXTS[1:], "\x01\ufffe"]
    result = run("similarity", "-m", model, "--heatmap", out / "map.svg", *texts)
    assert result.returncode == 0, result.stderr
    root = ElementTree.parse(out / "map.svg").getroot()
    name = "{http://www.w3.org/2000/svg}"
    words = [element.text for element in root.iter(f"{name}text")]
    assert '<b> & "quotes" 1' in words
    assert words.count("1.00") >= 4
    assert f"{cosines[1, 2]:.2f}" in words
    cells = [r for r in root.iter(f"{name}rect") if r.get("width") == r.get("height") == "72"]
    assert len(cells) == 16
    inks = {element.text: element.get("fill") for element in root.iter(f"{name}text") if element.get("text-anchor") == "middle"}
    assert inks["1.00"] == "#181c24"  # dark on the yellow cell
    assert inks[f"{cosines[1, 2]:.2f}"] == "#ffffff"  # light on the dark one


def png_pixels(path):
    """Checks every chunk's sum and undoes the filters: [height, width, 3]."""
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    at, data, names = 8, b"", []
    while at < len(content):
        (size,) = struct.unpack(">I", content[at : at + 4])
        name, body = content[at + 4 : at + 8], content[at + 8 : at + 8 + size]
        assert struct.unpack(">I", content[at + 8 + size : at + 12 + size])[0] == zlib.crc32(name + body)
        names.append(name)
        if name == b"IHDR":
            width, height, depth, kind, _, _, interlace = struct.unpack(">IIBBBBB", body)
            assert (depth, kind, interlace) == (8, 2, 0)
        data += body if name == b"IDAT" else b""
        at += 12 + size
    assert names[-1] == b"IEND"
    rows = np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, 1 + width * 3)
    image = np.zeros((height + 1, width + 1, 3), np.int64)  # a border of zeros above and to the left
    for y in range(height):
        line = rows[y, 1:].reshape(width, 3).astype(np.int64)
        for x in range(width):
            left, up, corner = image[y + 1, x], image[y, x + 1], image[y, x]
            if rows[y, 0] == 4:
                estimate = left + up - corner
                a, b, c = abs(estimate - left), abs(estimate - up), abs(estimate - corner)
                base = np.where((a <= b) & (a <= c), left, np.where(b <= c, up, corner))
            else:
                base = (0, left, up, (left + up) // 2)[rows[y, 0]]
            image[y + 1, x + 1] = (line[x] + base) % 256
    return image[1:, 1:]


def test_png_shows_the_matrix(run, model, cosines, out):
    texts = ["a", TEXTS[0], TEXTS[2]]
    result = run("similarity", "-m", model, "--heatmap", out / "map.png", "--output", "json", *texts)
    assert result.returncode == 0, result.stderr
    matrix = json.loads(result.stdout)["similarity"]
    pixels = png_pixels(out / "map.png")
    yellow = np.array([252, 234, 120])  # the scale's colour for 1
    bright = (pixels == yellow).all(axis=2)
    ys, xs = np.nonzero(bright)
    top, left = ys.min(), xs[ys == ys.min()].min()
    for row in range(3):
        for column in range(3):
            corner = pixels[top + row * 72 + 2, left + column * 72 + 2]
            assert (corner == yellow).all() == (row == column)
    # Less alike is darker.
    lightness = {(r, c): pixels[top + r * 72 + 2, left + c * 72 + 2].sum() for r in range(3) for c in range(3)}
    order = sorted(((0, 1), (0, 2), (1, 2)), key=lambda place: matrix[place[0]][place[1]])
    assert [lightness[place] for place in order] == sorted(lightness[place] for place in order)


@pytest.mark.parametrize("count", [33, 101, 300])
def test_large_matrices_draw_smaller_cells(run, model, tmp_path, out, count):
    (tmp_path / "texts.txt").write_text("".join(f"number {i}\n" for i in range(count)))
    result = run("similarity", "-m", model, "-i", tmp_path / "texts.txt", "--heatmap", out / "map.svg")
    assert result.returncode == 0, result.stderr
    root = ElementTree.parse(out / "map.svg").getroot()
    assert int(root.get("width")) < 2600
    sides = [r.get("width") for r in root.iter("{http://www.w3.org/2000/svg}rect") if r.get("width") == r.get("height")]
    assert max(map(sides.count, set(sides))) == count * count


def test_too_many_texts_are_refused(run, tmp_path):
    (tmp_path / "texts.txt").write_text("a\n" * 4097)
    result = run("similarity", "-m", "/no/such/model", "-i", tmp_path / "texts.txt")
    assert result.returncode == 2
    assert "4096" in result.stderr


def test_failing_heatmap_leaves_nothing(run, model, out):
    import resource

    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # as a full disk: the file cannot grow
    result = run("similarity", "-m", model, "a", "b", "--heatmap", out / "map.svg", preexec_fn=limit)
    assert result.returncode == 4
    assert list(out.iterdir()) == []
