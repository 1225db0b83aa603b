"""Line families of sizes, in bytes. A total that names a codec is the artifact's; the bare one is uncompressed."""

from __future__ import annotations

from harness.observe.reading.logs.families import INT, SEP, Family, first_integer, last_integer, last_real

_BYTES = r"\s?(?:bytes|B)\b"
_CODEC = r"(?P<codec>[^\s:][^:\n]{0,60}?)"
_PACKED = r"(?:compressed|minified|packed|wrapped|lzma|brotli|zlib)"

TOTALS = (
    last_integer(
        "bytes_total",
        0,
        "total submission",
        "Total submission size int8+zlib: 15863489 bytes",
        rf"total submission (?:size (?=[^\s:]))?(?!size\s?:){_CODEC}\s?:\s{{0,8}}{INT}{_BYTES}",
    ),
    last_integer(
        "bytes_total",
        1,
        "total",
        "Total mixed submission: 15858571 bytes (FITS 16MB)",
        rf"^\W{{0,8}}total (?P<codec>[\w+-]{{1,24}}) submission(?: size)?\s?:\s{{0,8}}{INT}{_BYTES}",
    ),
    last_integer(
        "bytes_total",
        1,
        "bytes",
        "final_roundtrip code_bytes:49961 total_artifact_bytes:15965664",
        r"(?<!\w)(?:total_artifact_bytes|(?:total_|final_)?submission_bytes|submission_(?:total|size)_bytes"
        rf"|bytes_total|total_bytes){SEP}(?P<n>\d[\d,_]{{3,24}})\b",
    ),
    last_integer(
        "bytes_total",
        1,
        "artifact",
        "Artifact: 15,143,381 bytes (14.44 MB)",
        rf"(?<!\w)(?:artifact[_ ]bytes|(?:total )?artifact size|artifact){SEP}"
        r"(?P<n>\d[\d,_]{3,24})(?![\d.]|\s?[MGK])",
    ),
    last_integer(
        "bytes_total",
        0,
        "total submission",
        "INT7+zlib model: 15370972 bytes | Total submission: 15441941 bytes",
        rf"^\W{{0,8}}(?!raw)(?P<codec>[\w+-]{{2,24}}) model: .{{1,60}}\btotal submission(?: size)?\s?:\s?{INT}{_BYTES}",
    ),
    last_integer(
        "bytes_total",
        2,
        "total:",
        "compressed_blob_bytes:13802175 code_bytes:59488 total:13861663",
        r"^(?!\W{0,8}raw\b).{0,80}?(?:blob|code|model|zlib|brotli|zstd|lzma).{0,60}?[\s|,]total:\s?"
        r"(?P<n>\d[\d,]{3,24})(?![\d.])",
    ),
    last_integer(
        "bytes_total", 1, "budget:", "budget:15670651/16000000 (15.67/16.00MB) FITS", r"^budget:(?P<n>\d{4,9})/\d{8}\b"
    ),
    last_integer("bytes_total", 2, "total:", "total:15916181B", r"^total:(?P<n>\d{4,12})B\b"),
    last_integer(
        "bytes_total_uncompressed",
        0,
        "total submission",
        "Total submission size: 67272625 bytes",
        rf"^\W{{0,12}}total submission(?: size)?\s?:\s{{0,8}}{INT}{_BYTES}",
    ),
    last_real(
        "megabytes_total",
        0,
        "mb",
        "   Compressed:   14.41 MB",
        r"^\W{0,12}(?:compressed|artifact|(?:compressed |final )?(?:model |artifact |submission )?size)"
        r"\s{0,8}:\s{0,8}(?P<n>\d{1,4}\.\d{1,6})\s?MB\b",
    ),
)

CODE = (
    last_integer(
        "bytes_code",
        0,
        "code size",
        "Code size (uncompressed): 157868 bytes",
        rf"\bcode size ?(?:\((?:uncompressed|raw|readable)\) ?)?:\s{{0,8}}{INT}{_BYTES}",
    ),
    last_integer(
        "bytes_code",
        1,
        "code size",
        "Code size (train_gpt.py): 47642 bytes",
        rf"\bcode size (?!\(?{_PACKED})[^:\n]{{1,40}}:\s{{0,8}}{INT}{_BYTES}",
    ),
    last_integer(
        "bytes_code",
        2,
        "code",
        "compressed_blob_bytes:13802175 code_bytes:59488",
        rf"(?<!\w)(?:code_bytes|bytes_code|code_size){SEP}(?P<n>\d[\d,]{{2,12}})\b",
    ),
    last_integer(
        "bytes_code",
        3,
        "code",
        "Serialized model: 106313663 bytes  Code: 49961 bytes",
        r"(?:^\s{0,8}|[\s(,|])code[:=]\s?(?P<n>\d[\d,]{2,12})(?:\s?bytes\b|B\b|(?=[\s,)|])|$)",
    ),
    last_integer(
        "bytes_code_compressed",
        0,
        "code size",
        "Code size (compressed): 31999 bytes",
        rf"\bcode size ?\(?{_PACKED}[^:\n]{{0,40}}:\s{{0,8}}{INT}{_BYTES}",
    ),
    last_integer(
        "bytes_code_compressed",
        1,
        "packed code",
        "Packed code: 19646 bytes (raw=70361 bytes)",
        rf"^\W{{0,4}}packed code\s?:\s?{INT}{_BYTES}",
    ),
)

MODELS = (
    last_integer(
        "bytes_model",
        0,
        "serialized model",
        "Serialized model int8+zlib: 15815847 bytes (payload:17178912)",
        rf"serialized model {_CODEC}\s?:\s{{0,8}}{INT}{_BYTES}",
    ),
    last_integer(
        "bytes_model",
        1,
        "serialized_model",
        "serialized_model_int8_zlib:10518128 bytes",
        rf"serialized_model_(?P<codec>\w{{1,40}}):(?P<n>\d{{3,12}}){_BYTES}",
    ),
    last_integer(
        "bytes_model",
        2,
        "model",
        "final_int8 compressed_model_bytes:15915703 code_bytes:49961",
        rf"(?<!\w)(?:(?:compressed_|quantized_|pergroup_)?model_bytes|bytes_model){SEP}(?P<n>\d[\d,]{{3,16}})\b",
    ),
    last_integer(
        "bytes_model",
        2,
        "blob",
        "compressed_blob_bytes:13802175 code_bytes:59488",
        r"(?:compressed_blob_bytes:|^\W{0,4}model blob\s{0,4}:\s?)(?P<n>\d[\d,]{3,16})\b",
    ),
    last_integer(
        "bytes_model",
        2,
        " model:",
        "INT7+zlib model: 15370972 bytes | Total submission: 15441941 bytes",
        rf"^\W{{0,8}}(?P<codec>[\w-]{{2,16}}\+[\w+-]{{2,16}}) model: {INT}{_BYTES}",
    ),
    last_integer(
        "bytes_model",
        3,
        "model",
        "Quantized model (zstd): 14855638 bytes",
        rf"^\W{{0,8}}(?:quantized|compressed|packed) model ?(?:\((?P<codec>[^)\n]{{1,30}})\))?\s?:\s?{INT}{_BYTES}",
    ),
    last_integer(
        "bytes_model",
        3,
        "model",
        "artifact: 16324677 bytes (model:16279396 code:45281)",
        r"[(|,]\s?model[:=]\s?(?P<n>\d[\d,]{3,16})(?=[\s,)|])",
    ),
    last_integer(
        "bytes_model_raw",
        0,
        "serialized model",
        "Serialized model: 67224983 bytes",
        rf"serialized model\s?:\s{{0,8}}{INT}{_BYTES}",
    ),
    last_integer(
        "bytes_model_raw",
        1,
        "raw model",
        "Raw model: 91514419 bytes, code: 75347 bytes",
        rf"\braw model\s?:\s{{0,8}}{INT}{_BYTES}",
    ),
)

PARAMETERS = (
    first_integer(
        "model_params", 0, "model_params", "model_params:17059912", r"\bmodel_params:\s?(?P<n>\d[\d,]{2,15})\b(?!\.\d)"
    ),
    first_integer(
        "model_params",
        1,
        "param",
        "Total params: 29,926,689",
        r"^\W{0,8}(?:total |model |num |n_|total_|trainable )?param(?:eter)?s?(?:_count)?"
        rf"{SEP}(?P<n>\d[\d,]{{2,15}})\b(?!\.\d)(?!\s?[MKB]\b)",
    ),
)

FAMILIES: tuple[Family, ...] = (*TOTALS, *CODE, *MODELS, *PARAMETERS)
