"""Which file of the submission an import means, and which imports come from elsewhere."""

from __future__ import annotations

import posixpath
import sys
from collections.abc import Iterable, Mapping, Sequence

# Standard modules that later Pythons dropped; scripts written for 3.11 may still import them.
_DROPPED = """
    aifc asynchat asyncore audioop cgi cgitb chunk crypt distutils imghdr imp lib2to3 mailcap msilib nis nntplib
    ossaudiodev pipes smtpd sndhdr spwd sunau telnetlib uu xdrlib
"""
STDLIB = sys.stdlib_module_names | frozenset(_DROPPED.split())

# Top-level names of packages from PyPI, conda or a vendor's repository that the field imports, and of those likely to
# follow. Surveyed over all pull requests to 2026-05-02. A name that is neither here nor in the standard library and
# that no `try` guards is taken for a file that the author forgot to commit.
_PACKAGES = """
    accelerate aiohttp aiter apex attr backports bitsandbytes bitstring boto3 brotli brotlicffi causal_conv1d
    causal_conv1d_cuda click constriction cuda cupy cupyx cutlass cycler Cython cython datasets deepspeed dill dotenv
    einops fastapi filelock fire fla flash_attn flash_attn_2_cuda flash_attn_3 flash_attn_interface flax fsspec ftfy
    functorch gin google gram_newton_schulz h5py hnet hopper huggingface_hub hydra hypothesis IPython jax jaxlib joblib
    kernels lightning liger_kernel lion_pytorch llvmlite lm_eval loguru lz4 mamba_ssm mamba_ssm_cuda matplotlib
    megatron minijinja ml_dtypes mlx mlx_lm modal mpl_toolkits msgpack muon natten networkx ninja nltk numba numpy
    nvidia nvtx omegaconf onnx onnxruntime optax optuna orjson packaging pandas peft PIL pip pkg_resources plotly
    polars psutil py7zr pyarrow pybind11 pydantic pyinstrument pynvml pytest python_minifier pytorch_lightning pyzstd
    quack ray regex requests rich runpod rustbpe sacrebleu safetensors scipy seaborn selective_scan_cuda sentencepiece
    sentence_transformers setuptools simplejson six sklearn snappy soundfile streamlit sympy tabulate tensorboard
    tensorboardX tensordict tensorflow tensorrt tensorrt_llm thunder tiktoken tilelang timm tokenizers tokenmonster
    toml torch torch_xla torchao torchaudio torchdata torcheval torchinfo torchmetrics torchrun torchtune torchvision
    tqdm transformer_engine transformers triton trl typer typing_extensions ujson unsloth urllib3 uvicorn wandb wheel
    xformers xxhash yaml zstandard zstd
"""
THIRD_PARTY = frozenset(_PACKAGES.split())


def find_module(
    module: str, level: int, script: str, files: Mapping[str, bytes], search: Sequence[str] = ()
) -> tuple[str | None, bool]:
    """Return the file of the submission that `module` names, and whether there should be one and is none.

    `script` is the importing file and `files` are all others, relative to the submission's folder; `level` counts the
    dots of a relative import; `search` lists folders that the script put in front.
    """
    folder = posixpath.dirname(script)
    parts = [part for part in module.split(".") if part]
    if level:
        for _ in range(level - 1):
            folder = posixpath.dirname(folder)
        found = _in_folder(folder, parts, files, script)
        return found, found is None
    if not parts:
        return None, False
    for base in dict.fromkeys((*search, folder, "")):
        if (found := _in_folder(base, parts, files, script)) is not None:
            return found, False
    if parts[0] in STDLIB or parts[0] in THIRD_PARTY:
        return None, False
    # A folder that the script puts on the path in a way that was not followed: take the one file that fits.
    name = "/".join(parts)
    endings = (f"/{name}.py", f"/{name}/__init__.py")
    fitting = [path for path in files if path.endswith(endings)]
    return (fitting[0], False) if len(fitting) == 1 else (None, True)


def _in_folder(base: str, parts: Iterable[str], files: Mapping[str, bytes], script: str) -> str | None:
    """Return the module file, package or extension module `parts` under `base`, or a folder of modules."""
    path = posixpath.normpath(posixpath.join(base, *parts)).removeprefix("./")
    path = "" if path == "." else path
    for candidate in (f"{path}/__init__.py" if path else "__init__.py", f"{path}.py"):
        if candidate in files or candidate == script:
            return candidate
    if not path:
        return None
    extension = sorted(name for name in files if name.startswith(f"{path}.") and name.endswith((".so", ".pyd")))
    if extension:
        return extension[0]
    inside = f"{path}/"
    return inside if any(name.startswith(inside) and name.endswith((".py", ".so")) for name in files) else None
