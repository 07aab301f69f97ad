"""The package of the course "Explainable recommendation with attention".

Modules, in the order in which they build on each other: `tables`, `movielens`, `splits`, `data`,
`attention`, `explanation`, `faithfulness`, `models`, `variants`, `evaluation`, `training`,
`simulation`, `plots`; `by_hand` holds the example on paper. Import what you need from its module;
nothing is loaded here.
"""
