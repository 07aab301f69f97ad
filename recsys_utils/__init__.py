"""The package of the course "Explainable recommendation with attention".

Modules, in the order in which they build on each other: `tables`, `movielens`, `splits`, `data`,
`attention`, `explanation`, `faithfulness`, `models`, `sequence_models`, `variants`, `evaluation`,
`studies`, `ledger`, `training`, `simulation`, `plots`, `what_if`, `explorer`; `by_hand` holds the
example on paper, `checks` the exercises, `doctor` the self-check. Import what you need from its
module; nothing is loaded here.
"""
