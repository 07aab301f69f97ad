"""What frameworks.py asks: the functions of this course, of the article and of PyTorch.

Each takes query (1, 4), key (3, 4), value (3, 4), allowed (3,) (True = may be attended to) and the
number of heads. Each gives context and weights; None where it does not show its weights.
"""

import torch
import torch.nn.functional as F
from frameworks import by_heads

from recsys_utils.attention import MultiHeadAttention, scaled_dot_product_attention


def split(query, key, value, allowed, n_heads):
    """Each head becomes an entry of the batch, with its part of the vectors."""
    parts = [torch.tensor(by_heads(x, n_heads)) for x in (query, key, value)]
    return *parts, torch.tensor(allowed)


def ours(*inputs):
    """This course's function."""
    return scaled_dot_product_attention(*split(*inputs))


def our_module(query, key, value, allowed, n_heads):
    """This course's module, its four matrices doing nothing."""
    query, key, value, allowed = (torch.tensor(x[None]) for x in (query, key, value, allowed))
    module = MultiHeadAttention(4, n_heads).to(query.dtype)
    for layer in (module.W_Q, module.W_K, module.W_V, module.W_O):
        torch.nn.init.eye_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    context, weights = module(query, key, value, allowed)
    return context.detach(), weights.detach()


def article(*inputs):
    """The article's module, section 5.2, line by line."""
    q, k, v, mask = split(*inputs)
    d_k = torch.tensor(q.shape[-1], dtype=torch.float32)
    scores = torch.matmul(q, k.transpose(-2, -1)) / torch.sqrt(d_k)
    scores = scores.masked_fill(mask == 0, -1e9)
    attn = F.softmax(scores, dim=-1)
    return torch.matmul(attn, v), attn


def function(*inputs):
    """PyTorch's function shows no weights."""
    q, k, v, mask = split(*inputs)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask[None, None]), None


def module(query, key, value, allowed, n_heads, need_weights=False):
    """PyTorch's module, its matrices doing nothing. Its mask says True for what is blocked."""
    query, key, value, allowed = (torch.tensor(x[None]) for x in (query, key, value, allowed))
    options = {"bias": False, "batch_first": True, "dtype": query.dtype}
    layer = torch.nn.MultiheadAttention(4, n_heads, **options).eval()
    with torch.no_grad():
        layer.in_proj_weight.copy_(torch.eye(4).repeat(3, 1))
        layer.out_proj.weight.copy_(torch.eye(4))
        options = {"need_weights": need_weights, "average_attn_weights": False}
        return layer(query, key, value, key_padding_mask=~allowed, **options)


def module_asked(*inputs):
    """The same, asked for its weights."""
    return module(*inputs, need_weights=True)


VERSION = torch.__version__.split("+")[0]
HERE = f"on PyTorch {VERSION}"
FUNCTIONS = {  # name -> library, version, function
    "scaled_dot_product_attention": ("this course", HERE, ours),
    "MultiHeadAttention": ("this course", HERE, our_module),
    "ScaledDotProductAttention": ("the article", HERE, article),
    "F.scaled_dot_product_attention": ("PyTorch", VERSION, function),
    "nn.MultiheadAttention": ("PyTorch", VERSION, module),
    "nn.MultiheadAttention, asked for weights": ("PyTorch", VERSION, module_asked),
}
