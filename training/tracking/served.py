"""The model that MLflow keeps and serves, as code: it reads the bundle and the snapshot stored with it, and holds no state of its own.

MLflow copies this file into every model and runs it when the model is loaded; whobuys must be installed there.
"""

from pathlib import Path

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from features.errors import WhobuysError
from training.tracking.answers import Answers


class WhoBuys(PythonModel):
    """In: customer_id, product_set. Out: probability, a row each."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the bundle, which is compared with its sha256, and the stored snapshot."""
        self.answers = Answers.load(Path(context.artifacts["bundle"]), Path(context.artifacts["shop"]))

    def predict(self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, object] | None = None) -> pd.DataFrame:
        """The probability of every row. Raises MlflowException (a bad request) that says what is wrong."""
        try:
            found = self.answers.probabilities(model_input["customer_id"].tolist(), model_input["product_set"].tolist())
        except WhobuysError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None
        return pd.DataFrame({"probability": found}, index=model_input.index)


set_model(WhoBuys())
