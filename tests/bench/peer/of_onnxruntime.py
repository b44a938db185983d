"""ONNX Runtime: the operator GroupQueryAttention of com.microsoft, as its own model builder calls it: past and present are one buffer
of the whole context, bound once, and a step appends its tokens. int8 and int4 caches have a scale for each channel of a head, fixed
before (here from the tokens themselves, which is the best they can have); two codes of 4 bits share a byte, the even channel low."""
import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper

from peer.tokens import DIM, HEADS_KV, HEADS_Q

# Each type: type of q, of the cache, the cache's bits where it is quantised.
TYPES = {
    "f32": (TensorProto.FLOAT, TensorProto.FLOAT, 0),
    "f16": (TensorProto.FLOAT16, TensorProto.FLOAT16, 0),
    "bf16": (TensorProto.BFLOAT16, TensorProto.BFLOAT16, 0),
    "int8": (TensorProto.FLOAT, TensorProto.INT8, 8),
    "int8-row": (TensorProto.FLOAT, TensorProto.INT8, 8),
    "int4": (TensorProto.FLOAT, TensorProto.UINT8, 4),
}


class Refused(Exception):
    pass


def make_model(type, cache_type, bits):
    inputs = ["q", "k", "v", "past_key", "past_value", "seqlens_k", "total_sequence_length"]
    attributes = {"num_heads": HEADS_Q, "kv_num_heads": HEADS_KV, "domain": "com.microsoft"}
    if bits:
        inputs += [""] * 5 + ["k_scale", "v_scale"]
        attributes |= {"kv_cache_bit_width": bits, "k_quant_type": "PER_CHANNEL", "v_quant_type": "PER_CHANNEL"}
    node = helper.make_node("GroupQueryAttention", inputs, ["o", "present_key", "present_value"], **attributes)
    types = {"q": type, "k": type, "v": type, "o": type, "seqlens_k": TensorProto.INT32, "total_sequence_length": TensorProto.INT32,
             "k_scale": TensorProto.FLOAT, "v_scale": TensorProto.FLOAT}
    value = lambda name: helper.make_tensor_value_info(name, types.get(name, cache_type), None)
    graph = helper.make_graph([node], "peer", [value(name) for name in inputs if name], list(map(value, node.output)))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)])
    model.ir_version = 10
    return model.SerializeToString()


def quantise(x, bits):
    """Codes of [heads][tokens][channels], and a scale for each channel of a head."""
    most = 2**(bits - 1) - 1
    scale = numpy.abs(x).max(axis=1, keepdims=True) / most
    codes = numpy.clip(numpy.rint(x / scale), -most, most).astype(numpy.int8)
    if bits == 4:
        codes = (codes + 8).astype(numpy.uint8)
        codes = codes[..., ::2] | codes[..., 1::2] << 4
    return codes, scale.astype(numpy.float32)[None]


class Attend:
    def __init__(self, type, tokens, threads):
        q_type, cache_type, bits = TYPES[type]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 4
        try:
            self.session = onnxruntime.InferenceSession(make_model(q_type, cache_type, bits), options)
        except Exception as error:
            raise Refused(f"no {type} on the processor: {str(error).splitlines()[0]}") from error
        number = numpy.float16 if q_type == TensorProto.FLOAT16 else numpy.float32
        row = lambda array: numpy.ascontiguousarray(array[-tokens.queries:]).reshape(1, tokens.queries, -1).astype(number)
        fixed = {"q": row(tokens.q), "k": row(tokens.k), "v": row(tokens.v),
                 "seqlens_k": numpy.array([tokens.context - 1], numpy.int32),
                 "total_sequence_length": numpy.array(tokens.context, numpy.int32)}
        self.cache = {"key": tokens.k, "value": tokens.v}
        for name, array in self.cache.items():
            array = array.transpose(1, 0, 2)
            if bits:
                array, fixed[f"{name[0]}_scale"] = quantise(array, bits)
            self.cache[name] = numpy.ascontiguousarray(array[None].astype(array.dtype if bits else number))
        to_ort = onnxruntime.OrtValue.ortvalue_from_numpy
        self.fixed = {name: to_ort(array) for name, array in fixed.items()}
        self.o = to_ort(numpy.zeros((1, tokens.queries, HEADS_Q * DIM), number))
        self.bytes = sum(array.nbytes for array in self.cache.values())
        self.bindings, self.kept = [], []

    def add_copy(self):
        binding = self.session.io_binding()
        for name, value in self.fixed.items():
            binding.bind_ortvalue_input(name, value)
        for name, array in self.cache.items():
            value = onnxruntime.OrtValue.ortvalue_from_numpy(array)
            self.kept.append(value)
            binding.bind_ortvalue_input(f"past_{name}", value)
            binding.bind_ortvalue_output(f"present_{name}", value)
        binding.bind_ortvalue_output("o", self.o)
        self.bindings.append(binding)

    def step(self, copy):
        self.session.run_with_iobinding(self.bindings[copy])

    def output(self):
        return self.o.numpy().astype(numpy.float32)
