"""Line families of machine, software and data: GPUs, versions, memory (MiB), tokens and documents."""

from __future__ import annotations

from harness.observe.reading.logs.families import SEP, Family, first_integer, first_text, last_integer

_CARD = r"(?:H100|H200|A100|B200|GH200|L40S?|A40|A10G?|V100|T4|RTX ?\d{4})"
_NAME_END = r"(?=\s{2,}|\s(?:On|Off)\b|\s?$|[,|\]]|\.{3}|\s\w{2,3}[:=])"

MACHINE = (
    first_integer(
        "world_size", 0, "world", "world_size:8 grad_accum_steps:1", rf"\bworld[_ ]size{SEP}(?P<n>\d{{1,5}})\b"
    ),
    first_integer("world_size", 1, "ws:", "XSA:[9, 10] ws:8 gqa:8/8", r"\sws:(?P<n>\d{1,4})\b"),
    first_integer("gpus", 1, "gpu", "GPUs: 1", r"(?:^\W{0,4}|[|\s])(?:num_)?gpus[:=]\s?(?P<n>\d{1,4})\b(?!,\d|[.x×])"),
    first_integer("gpus", 2, "gpus", "  Detected 8 GPUs", r"(?:^|[\s(,=])(?P<n>\d{1,4}) ?gpus\b"),
    first_integer(
        "gpus",
        3,
        "x|×",
        "Running on 8×H100 with seed=42...",
        rf"(?<![\w.])(?P<n>\d{{1,3}}) ?[x×] ?(?:NVIDIA )?{_CARD}\b",
    ),
    first_text(
        "gpu",
        0,
        "nvidia",
        "|   0  NVIDIA H100 80GB HBM3          On  |   00000000:04:00.0 Off |",
        r"\b(?P<n>NVIDIA (?:(?:GeForce|RTX|Quadro|Tesla|TITAN)\b[^|\n,\]]{0,40}?"
        rf"|(?:A|B|H|L|V|T|GB|GH|P)\d{{1,4}}[^|\n,\]]{{0,40}}?)){_NAME_END}",
    ),
    last_integer(
        "peak_memory_mib",
        0,
        "peak mem",
        "peak memory allocated: 10184 MiB reserved: 10624 MiB",
        r"peak memory(?: allocated)?:\s?(?P<n>\d{1,9}) ?MiB",
    ),
    last_integer(
        "peak_memory_mib",
        1,
        "peak",
        "peak_mem: 25029 MiB reserved: 26108 MiB",
        r"\bpeak[_ ]mem(?:ory)?(?:_mib)?(?:[ _]alloc(?:ated)?)?[\"']?\s?[:=]"
        r"\s?(?P<n>\d{1,9})(?= ?MiB|[,}\s])(?! ?[GK])",
    ),
)

SOFTWARE = (
    first_text(
        "torch",
        0,
        "torch",
        "Running PyTorch 2.10.0+cu128",
        r"\b(?:py)?torch(?:_version|\.__version__)?[\"']?\s{0,4}[:=]?\s{0,4}[\"']?"
        r"(?P<n>\d{1,2}\.\d{1,2}\.\d{1,2}[\w.+-]{0,30})",
    ),
    first_text(
        "cuda",
        0,
        "cuda version",
        "| Driver Version: 570.211  CUDA Version: 12.8 |",
        r"CUDA Version\s{0,2}: ?(?P<n>\d{1,2}\.\d{1,2})\b",
    ),
    first_text(
        "python",
        0,
        "python",
        "Running Python 3.12.3 (main, Nov  6 2025)",
        r"^\W{0,8}(?:running )?python(?:_version)?[:=]? ?(?P<n>3\.\d{1,2}(?:\.\d{1,2})?)\b",
    ),
)

DATA = (
    first_integer(
        "val_tokens",
        0,
        "val_loader",
        "val_loader:shards pattern=val_*.bin tokens:62021632",
        r"\bval_loader:.{0,400}?\btokens:(?P<n>\d{1,12})\b",
    ),
    first_integer(
        "val_tokens", 1, "val_tokens", "val_tokens: 45508608", rf"^\s{{0,8}}val_tokens{SEP}(?P<n>\d[\d,]{{0,15}})\b"
    ),
    first_integer(
        "val_tokens",
        2,
        "val",
        "Val tokens: 62,021,846",
        r"\bval(?:idation)?[ _](?:tokens|set)\s?[:=]\s?(?P<n>\d[\d,]{2,15})\b(?!\.\d)(?!\s?[MKB]\b)",
    ),
    first_integer(
        "train_shards",
        0,
        "train_shards",
        "train_loader:dataset:x train_shards:80",
        r"\btrain_shards:\s?(?P<n>\d{1,7})\b",
    ),
    last_integer(
        "documents",
        0,
        "docs",
        "ttt_phased: total_docs:50000 prefix_docs:2000 suffix_docs:48000",
        r"(?<!\w)(?:total_docs|val_docs|eval_docs|scored_docs|num_docs)\s?[:=]\s?(?P<n>[1-9][\d,]{0,12})\b",
    ),
    last_integer(
        "documents",
        1,
        "docs",
        "final_sgd_ttt val_loss:2.8247 val_bpb:1.0829 docs:50000",
        r"^(?=.{0,300}?(?:ttt|eval|val_bpb|score))(?!.{0,300}?(?:rank|short|long_docs|train))"
        r".{0,300}?(?<!\w)docs\s?[:=]\s?(?P<n>[1-9][\d,]{0,12})\b(?!/)",
    ),
    last_integer(
        "documents",
        2,
        "doc",
        "  TTT Time:     166s (200 docs on 1 GPUs)",
        r"^(?=.{0,300}?(?:ttt|eval|scor|validat))(?!.{0,300}?(?:train |train_|processed))"
        r".{0,300}?(?<![\w./])(?P<n>[1-9][\d,]{0,12}) (?:total |val |validation )?doc(?:ument)?s\b",
    ),
)

FAMILIES: tuple[Family, ...] = (*MACHINE, *SOFTWARE, *DATA)
