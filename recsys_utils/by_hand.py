"""The example on paper: one user, one film, three attributes. The same numbers in 02 to 05 and 07.

*Heat* (1995): director Michael Mann, lead actor Al Pacino, genre Crime. The article's film case
(section 4.3): the model attends to the lead actor and to the genre and ignores the director.
"""

import torch

LABEL = "Heat (1995)"
FIELDS = ["director", "actor", "genre"]
NAMES = ["Michael Mann", "Al Pacino", "Crime"]
D_K = 4  # so that sqrt(d_k) is 2

# The user's vector: it asks the question (query q) and it reads the answer (taste p).
USER = torch.tensor([1.0, 2.0, 0.0, 1.0], dtype=torch.float64)

# One row for each attribute, in the order of NAMES.
KEY = torch.tensor([[0, -1, 1, 0], [1, 1, 0, 1], [0, 1, 1, 0]], dtype=torch.float64)
VALUE = torch.tensor([[0, 2, 1, 0], [1, 0, 0, 1], [0, -1, 0, 1]], dtype=torch.float64)
BIAS = 0.5  # b_film: how well the film does with everybody
# On paper there is one film and no catalogue, so a contribution is measured from 0: w_i (v_i . u).
# With a catalogue it is measured from the user's average film: notebooks 04 and 05.
