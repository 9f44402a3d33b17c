# Pictures: what is drawn, and what is refused.
import numpy as np
import pytest

from mlx_embeddings.plot import map_2d, project_2d, similarity_heatmap

plt = pytest.importorskip("matplotlib.pyplot")
VECTORS = np.array([[1, 0, 0], [0.6, 0.8, 0], [0, 0, 2]], np.float32)


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def test_a_heatmap_shows_the_cosines(tmp_path):
    axes = similarity_heatmap(VECTORS, ["a", "b", "c"])
    np.testing.assert_allclose(axes.images[0].get_array(), [[1, 0.6, 0], [0.6, 1, 0], [0, 0, 1]], atol=1e-6)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["a", "b", "c"]
    assert [text.get_text() for text in axes.texts][:3] == ["1.00", "0.60", "0.00"]
    axes.figure.savefig(tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 1000


def test_a_heatmap_of_two_collections_or_of_a_ready_matrix():
    axes = similarity_heatmap(VECTORS, ["a", "b", "c"], VECTORS[:2], ["x", "y"])
    assert axes.images[0].get_array().shape == (3, 2)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["x", "y"]
    matrix = similarity_heatmap([[0.1, 0.9]], matrix=True).images[0].get_array()
    np.testing.assert_allclose(matrix, [[0.1, 0.9]])
    with pytest.raises(ValueError, match="there are 2 labels for 3"):
        similarity_heatmap(VECTORS, ["a", "b"])


def test_numbers_are_left_out_where_nobody_could_read_them():
    assert len(similarity_heatmap(np.eye(30)).texts) == 0


def test_a_map_keeps_distances_of_points_in_a_plane():
    points = np.array([[0, 0], [4, 0], [0, 1.0], [2, 2]])
    turned = points @ np.array([[0.6, 0.8, 0], [-0.8, 0.6, 0]])
    found = project_2d(turned)

    def distances(rows):
        return np.linalg.norm(rows[:, None] - rows[None], axis=2)

    np.testing.assert_allclose(distances(found), distances(points), atol=1e-9)
    np.testing.assert_array_equal(project_2d(turned), found)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_map_of_few_points(count):
    assert project_2d(VECTORS[:count]).shape == (count, 2)


def test_a_map_has_labels_and_a_legend_of_groups():
    axes = map_2d(VECTORS, labels=["a", "b", "c"], groups=["x", "y", "x"])
    assert [text.get_text() for text in axes.texts] == ["a", "b", "c"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["x", "y"]
    with pytest.raises(ValueError, match="there are 1 groups for 3 vectors"):
        map_2d(VECTORS, groups=["x"])
