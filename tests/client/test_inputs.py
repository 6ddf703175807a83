"""What callers pass as tensors, and what the client remembers of models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tidegate.arguments import merge_tensors
from tidegate.client.catalogue import NOTHING, Catalogue
from tidegate.client.inputs import as_arrays
from tidegate.errors import InvalidInput


def entry(name: str, version: str = "1", *, pure: bool = True, **inputs: str) -> dict[str, Any]:
    specs = [{"name": each, "datatype": datatype} for each, datatype in inputs.items()]
    return {"name": name, "version": version, "inputs": specs, "pure": pure}


FACTS = Catalogue()
FACTS.learn([entry("m", x="FP32", n="INT32", s="BYTES")])
M = FACTS.facts("m", None)


class TestMerge:
    def test_both_ways_of_passing_tensors(self) -> None:
        """The mapping and the keywords together are the inputs."""
        assert merge_tensors({"a b": 1, "timeout": 2}, {"x": 3}) == {"a b": 1, "timeout": 2, "x": 3}

    def test_a_name_that_is_passed_twice(self) -> None:
        """The same name in both is a mistake of the caller."""
        with pytest.raises(TypeError, match=r"passed twice, .*: x"):
            merge_tensors({"x": 1}, {"x": 2})

    def test_what_is_no_mapping(self) -> None:
        """An array where the mapping belongs is a mistake of the caller."""
        with pytest.raises(TypeError, match="mapping"):
            merge_tensors(np.zeros(3), {})  # type: ignore[arg-type]


class TestAsArrays:
    def test_what_is_right_is_not_copied(self) -> None:
        """An array of the model's datatype is passed on as it is."""
        x = np.zeros(4, "<f4")
        assert as_arrays({"x": x}, M)["x"] is x

    @pytest.mark.parametrize(
        ("name", "value", "dtype"),
        [
            ("x", 1.5, "<f4"),
            ("x", [[1, 2], [3, 4]], "<f4"),
            ("x", np.zeros((1, 8, 8)), "<f4"),
            ("x", np.zeros(2, "u1"), "<f4"),
            ("x", np.zeros(2, ">f4"), "<f4"),
            ("n", [1, 2], "<i4"),
            ("n", [2**40], "<i8"),
            ("n", np.zeros(2, "f8"), "<f8"),
            ("s", ["a", "b"], "O"),
            ("unknown", [1.0], "<f8"),
        ],
    )
    def test_conversions(self, name: str, value: Any, dtype: str) -> None:
        """What fits takes the model's datatype; what does not stays as it is, and the server will say so."""
        assert as_arrays({name: value}, M)[name].dtype == np.dtype(dtype)

    def test_nothing_is_converted_for_an_unknown_model(self) -> None:
        """Without a signature a tensor has the datatype that numpy gives it."""
        assert as_arrays({"x": [1.0]}, NOTHING)["x"].dtype == np.float64

    def test_strided_arrays_are_made_contiguous(self) -> None:
        """A slice with steps has its own values in the message."""
        array = as_arrays({"x": np.arange(8, dtype="<f4")[::2]}, M)["x"]
        assert array.flags.c_contiguous
        assert array.tolist() == [0, 2, 4, 6]

    def test_what_numpy_cannot_take(self) -> None:
        """The error names the input."""
        with pytest.raises(InvalidInput, match="input 'x'") as caught:
            as_arrays({"x": [[1], [2, 3]]}, M)
        assert caught.value.param == "inputs.x"


class TestCatalogue:
    def test_the_version_that_the_server_would_choose(self) -> None:
        """Without a version, the highest number counts, and without numbers the last in natural order."""
        catalogue = Catalogue()
        catalogue.learn(
            [entry("n", "9"), entry("n", "10", pure=False), entry("n", "beta"), entry("v", "v2"), entry("v", "v10")]
        )
        assert catalogue.facts("n", None) is catalogue.facts("n", "10")
        assert not catalogue.facts("n", None).pure
        assert catalogue.facts("v", None) is catalogue.facts("v", "v10")

    def test_a_version_that_does_not_serve_is_not_chosen(self) -> None:
        """A version that is listed as failed is no default, however high, and nothing is known of it."""
        catalogue = Catalogue()
        catalogue.learn([entry("m", "9", x="FP32"), {"name": "m", "version": "10", "state": "failed", "error": "torn"}])
        assert catalogue.facts("m", None) is catalogue.facts("m", "9")
        assert not catalogue.knows("m", "10")

    def test_the_last_list_counts(self) -> None:
        """A model that is not in the last list is not known any more."""
        catalogue = Catalogue()
        catalogue.learn([entry("a")])
        catalogue.learn([entry("b")])
        assert (catalogue.knows("a", None), catalogue.knows("b", "1")) == (False, True)

    def test_strange_lists_do_no_harm(self) -> None:
        """Entries that are not as expected are skipped, and what is not said to be pure is not."""
        catalogue = Catalogue()
        strange: list[dict[str, Any]] = [
            {},
            {"name": 3, "version": "1"},
            {"name": "failed", "state": "failed", "error": "x"},
            {"name": "a", "version": "1", "inputs": 7, "pure": "yes"},
            {"name": "b", "version": "1", "inputs": [3, {"name": "x"}, {"name": "y", "datatype": "FP99"}]},
        ]
        catalogue.learn(strange)
        assert not catalogue.knows("failed", None)
        assert not catalogue.facts("a", None).pure
        assert catalogue.facts("b", None).datatypes == {}
