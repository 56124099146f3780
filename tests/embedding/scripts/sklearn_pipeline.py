"""Random features with fastgrad's ELU between a scaler and a classifier, as one scikit-learn pipeline."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.random_projection import GaussianRandomProjection

import fastgrad


def pipeline():
    """An unfitted pipeline; its steps can be cloned and pickled."""
    return make_pipeline(
        StandardScaler(),
        GaussianRandomProjection(64, random_state=0),
        FunctionTransformer(fastgrad.elu, kw_args={"alpha": 0.5}),
        RidgeClassifier(),
    )


if __name__ == "__main__":
    X, y = load_digits(return_X_y=True)
    print(f"{np.mean(cross_val_score(pipeline(), X, y, cv=3)):.3f}")
