# convert: a model folder in another type or in one of MLX's quantised formats.
"""`convert` as mlx-embeddings has it."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable

from ._core import ConversionReport, check_upload, convert_model, upload_folder


def _say(severity: str, text: str) -> None:
    if severity == "warning":
        warnings.warn(text, stacklevel=3)
    else:
        print(f"[INFO] {text}", file=sys.stderr)


def convert(
    hf_path: str | os.PathLike[str],
    mlx_path: str | os.PathLike[str] = "mlx_model",
    quantize: bool = False,
    q_group_size: int | None = None,
    q_bits: int | None = None,
    q_mode: str = "affine",
    dtype: str | None = None,
    upload_repo: str | None = None,
    revision: str | None = None,
    dequantize: bool = False,
    skip_vision: bool = True,
    trust_remote_code: bool = False,
    *,
    overwrite: bool = False,
    recipe: str | None = None,
    error_budget: float | None = None,
    calibration_texts: Iterable[str] = (),
    measure: bool = False,
) -> ConversionReport:
    """Writes the model `hf_path` (a folder, an alias or "org/name") to the new folder `mlx_path`.

    :param q_group_size: weights that share a scale; None or 0: the mode's own (affine 64, mxfp4 32, nvfp4 16, mxfp8 32)
    :param q_bits: likewise (4, 4, 4, 8)
    :param dtype: "float16", "bfloat16" or "float32", of what is not quantised; None: float16, or what the checkpoint has
        where float16 overflows
    :param upload_repo: puts the new folder into this repository of the hub; wants HF_TOKEN
    :param revision: a branch, tag or commit of the hub's model
    :param trust_remote_code: accepted; no code of a repository is ever run
    :param overwrite: replace a model folder that is there
    :param recipe: mixed bits as mlx-lm has them: mixed_2_6, mixed_3_4, mixed_3_6, mixed_4_6
    :param error_budget: choose each layer's bits so that the vectors of `calibration_texts` keep this cosine
    :param measure: compare the vectors of both models; the report has the cosines
    """
    del trust_remote_code
    if upload_repo is not None:
        check_upload(upload_repo)  # not after hours of work
    report = convert_model(
        os.fspath(hf_path),
        mlx_path=os.fspath(mlx_path),
        overwrite=overwrite,
        dtype=dtype,
        quantize=quantize,
        q_mode=q_mode,
        q_group_size=q_group_size,
        q_bits=q_bits,
        recipe=recipe,
        skip_vision=skip_vision,
        error_budget=error_budget,
        calibration_texts=list(calibration_texts),
        measure=measure,
        dequantize=dequantize,
        revision=revision,
        on_message=_say,
    )
    print(f"[INFO] Conversion complete. Model saved to {os.fspath(mlx_path)}")
    if upload_repo is not None:
        url = upload_folder(os.fspath(mlx_path), upload_repo)
        print(f"Upload successful, go to {url} for details.")
    return report
