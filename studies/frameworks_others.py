"""What frameworks.py asks: functions of Keras, JAX and Flax.

They take and give what those in frameworks_torch.py do. Notice what differs: Keras wants the value
before the key, JAX and Flax want (batch, length, heads, size). True = may be attended to in all.
"""

import os

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
os.environ |= {"TF_ENABLE_ONEDNN_OPTS": "0"}  # the same digits on every processor
os.environ |= {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}

import flax
import jax
import keras
import numpy as np
import tensorflow as tf
from flax import linen
from frameworks import by_heads

jax.config.update("jax_enable_x64", True)  # or JAX makes float32 of float64
assert tf.keras.layers.Attention is keras.layers.Attention  # two names, one thing


def one_head(layer, query, key, value, allowed, n_heads):
    """A Keras layer without heads: each head becomes an entry of the batch."""
    q, k, v = (tf.constant(by_heads(x, n_heads)) for x in (query, key, value))
    mask = [None, tf.constant([allowed] * n_heads)]  # of queries, of values
    return layer([q, v, k], mask=mask, return_attention_scores=True)


def dot(query, *inputs):
    """Keras: scores are products."""
    return one_head(keras.layers.Attention(dtype=query.dtype), query, *inputs)


def additive(query, *inputs):
    """Keras: scores are sums of tanh(query + key); `use_scale` would draw numbers for a start."""
    layer = keras.layers.AdditiveAttention(use_scale=False, dtype=query.dtype)
    return one_head(layer, query, *inputs)


def several(query, key, value, allowed, n_heads, ask=False):
    """Keras: several heads, the four matrices doing nothing."""
    options = {"use_bias": False, "dtype": query.dtype}
    layer = keras.layers.MultiHeadAttention(n_heads, key_dim=4 // n_heads, **options)
    layer.build((1, 1, 4), (1, 3, 4), (1, 3, 4))
    layer.set_weights([np.eye(4).reshape(old.shape) for old in layer.get_weights()])
    options = {"attention_mask": allowed[None, None], "return_attention_scores": ask}
    result = layer(query[None], value[None], key[None], **options)
    return result if ask else (result, None)


def several_asked(*inputs):
    """The same, asked for its weights."""
    return several(*inputs, ask=True)


def with_heads(function, query, key, value, allowed, n_heads):
    """A function of JAX or Flax; both show no weights."""
    q, k, v = (x.reshape(1, len(x), n_heads, -1) for x in (query, key, value))
    return function(q, k, v, mask=allowed[None, None, None]), None


def jax_function(*inputs):
    """The one that comes with JAX."""
    return with_heads(jax.nn.dot_product_attention, *inputs)


def flax_function(*inputs):
    """The one that comes with Flax's older interface, Linen."""
    return with_heads(linen.dot_product_attention, *inputs)


def flax_module(query, key, value, allowed, n_heads):
    """The module of Linen, its four matrices doing nothing."""
    module = linen.MultiHeadDotProductAttention(n_heads, use_bias=False, dtype=query.dtype)
    nothing = np.eye(4, dtype=query.dtype)
    into = {"kernel": nothing.reshape(4, n_heads, -1)}
    out = {"kernel": nothing.reshape(n_heads, -1, 4)}
    context, kept = module.apply(
        {"params": {"query": into, "key": into, "value": into, "out": out}},
        *(query[None], key[None], value[None]),
        mask=allowed[None, None, None],
        sow_weights=True,
        mutable=["intermediates"],
    )
    return context, kept["intermediates"]["attention_weights"][0]


KERAS = f"{keras.__version__} on TensorFlow {tf.__version__}"
FLAX = f"{flax.__version__} on JAX {jax.__version__}"
FUNCTIONS = {  # name -> library, version, function
    "keras.layers.Attention": ("Keras", KERAS, dot),
    "keras.layers.AdditiveAttention": ("Keras", KERAS, additive),
    "keras.layers.MultiHeadAttention": ("Keras", KERAS, several),
    "keras.layers.MultiHeadAttention, asked for weights": ("Keras", KERAS, several_asked),
    "jax.nn.dot_product_attention": ("JAX", jax.__version__, jax_function),
    "flax.linen.dot_product_attention": ("Flax", FLAX, flax_function),
    "flax.linen.MultiHeadDotProductAttention": ("Flax", FLAX, flax_module),
}
