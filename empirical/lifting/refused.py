"""Why functions that people use have no place in a description, and what is nearest to them."""

from __future__ import annotations

__all__ = ["REFUSED"]

_BATCH = (
    "with running statistics it is an affine function of each channel with gains of its own, and in"
    " training the samples of a batch meet, so that the kernel would depend on the batch",
    "use LayerNorm, which has a limit, or leave the normalisation out and scale the weights",
)
_INSTANCE = (
    "it divides each unit by its own deviation over the positions of one image, of which there are"
    " as many at every width, so that this stays random",
    "normalise over the units, with nn.LayerNorm on the last axis",
)
_MAXIMUM = (
    "the largest of several correlated Gaussian units is no function of one of them, and no closed"
    " recursion for it is known here",
    "use average pooling, nn.AvgPool2d(2), or a convolution with stride",
)
_ATTENTION = (
    "softmax couples all positions: with one head its weights stay random at infinite width, and"
    " with many heads the kernel needs expectations of softmax that are not known here",
    "average over positions, or mix them with a convolution",
)
_SOFTMAX = (
    "it divides by a sum over units or positions, which is no function of one unit",
    "give the module without it if it comes last: the kernel is that of the logits",
)
_OF_DATA = (
    "its gains and shifts multiply data, of which there are as many at every width: their share of"
    " K_0 stays random however many units there are",
    "normalise without them, nn.LayerNorm(shape, elementwise_affine=False), or the data beforehand",
)
_OF_VECTORS = (
    "it takes vectors for one sample with as many channels as there are vectors, and normalises"
    " each over its units",
    "write nn.LayerNorm(units, elementwise_affine=False), which does the same and has a limit",
)
_ENLARGED = (
    "an image is enlarged: a description has averages over positions, and no layer that makes more"
    " of them",
    "keep the size: leave out the pooling before it and the enlarging, or pool with stride=1",
)
_RECURRENT = (
    "the same weights act again at every step, so that the units of different steps are dependent"
    " through them; that limit needs pairs of steps, which a description does not have",
    "give each step weights of its own, or use a convolution over time",
)
_EMBEDDING = (
    "it reads rows of a matrix by number, and a description reads data by linear layers",
    "pass one-hot vectors to nn.Linear(..., bias=False), which is the same function",
)
_CHANNELS = (
    "a function of several units, such as their norm or mean, is taken at each position",
    "use LayerNorm, or leave it out and scale the weights",
)
_TRANSPOSED = (
    "a transposed convolution reads other weights at every phase of its stride",
    "use a convolution with stride 1, and pool less before it",
)
_GATE = (
    "it multiplies units by functions of other units, which is no sum over many",
    "use a pointwise function of one unit, such as nn.SiLU",
)
_PRODUCTS = (
    "its units read the products of two inputs",
    "give nn.Linear(d1 * d2, m) these, the same function: (x[:, :, None] * y[:, None]).flatten(1)",
)
_STACKED = (
    "units are put on an axis of their own",
    "add them, sum(list), or join their units, torch.cat(list, dim=1)",
)
_BORDER = (
    "the border is filled with other numbers than zeros or those of the opposite side",
    'pad with zeros, or padding_mode="circular"',
)
_CHOICE = (
    "a condition chooses between units that is no comparison of the same unit with a number",
    "let each unit decide for itself: torch.where(h > 0, h, 0.1 * h), torch.clamp, torch.maximum",
)
_SELECTED = (
    "some of the units or positions are chosen, and a description reads all of them alike",
    "return all of them, and choose an output with output=; or average over the positions",
)
_REPEATED = (
    "units are repeated along an axis, to gate others or to enlarge an image, and then they are no"
    " longer many independent ones at every position",
    "use average pooling before, and leave gates out",
)
_JUMP = (
    "the function jumps, so that its slope, which the tangent kernel needs, is no function",
    "use a continuous activation, such as nn.Softshrink or nn.Hardtanh",
)
_GAIN = (
    "its slope is a trained parameter shared by all units, whose share of the kernel is not known"
    " here",
    "use nn.LeakyReLU with a fixed slope",
)

REFUSED: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("batch_norm", "sync_batch_norm"), _BATCH),
    "instance_norm": _INSTANCE,
    **{f"{name}_norm of data": _OF_DATA for name in ("batch", "group", "instance", "layer", "rms")},
    "unsqueeze in InstanceNorm1d": _OF_VECTORS,
    **dict.fromkeys(
        ("max_pool1d", "max_pool2d", "max_pool3d", "max", "amax", "min", "amin",
         "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d", "topk", "sort",
         "argmax", "median", "fractional_max_pool2d", "max_pool2d_with_indices"), _MAXIMUM),
    **dict.fromkeys(("multi_head_attention_forward", "scaled_dot_product_attention"), _ATTENTION),
    "softmax in a product": _ATTENTION,
    **dict.fromkeys(("softmax", "log_softmax", "softmin", "logsumexp", "gumbel_softmax"), _SOFTMAX),
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell",
                     "rnn_tanh_cell", "rnn_relu_cell"), _RECURRENT),
    **dict.fromkeys(("embedding", "embedding_bag"), _EMBEDDING),
    **dict.fromkeys(("local_response_norm", "normalize", "norm", "var", "std",
                     "rms_norm", "lp_pool2d"), _CHANNELS),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _TRANSPOSED),
    **dict.fromkeys(("glu", "bilinear", "bmm", "baddbmm", "einsum", "outer"), _GATE),
    **dict.fromkeys(("where", "masked_fill", "gt", "lt", "ge", "le", "eq", "ne"), _CHOICE),
    **dict.fromkeys(("getitem", "index_select", "gather", "select", "narrow", "chunk", "split",
                     "unbind", "take", "tensor_split"), _SELECTED),
    **dict.fromkeys(("unsqueeze", "expand", "expand_as", "repeat", "repeat_interleave", "tile",
                     "broadcast_to"), _REPEATED),
    **dict.fromkeys(("interpolate", "upsample", "pixel_shuffle"), _ENLARGED),
    **dict.fromkeys(("hardshrink", "threshold", "round", "floor", "ceil", "trunc", "frac",
                     "bernoulli"), _JUMP),
    "bilinear of data": _PRODUCTS,
    "pad": _BORDER,
    "prelu": _GAIN,
    "stack": _STACKED,
}  # fmt: skip
"""(why, what instead) by the name that torch gives a function."""
