"""A bidirectional LSTM over a checkpoint's word-piece embeddings, or over ones from scratch."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class BiLSTM(nn.Module):
    """Text encoder: token ids (batch, length) to hidden states (batch, length, 2 x hidden).

    Args:
        vocabulary: Rows of the embedding table.
        embedding: Width of the embedding table.
        state: ``embeddings``: the table to start from, and a pretrained BiLSTM's ``norm.*`` and
            ``lstm.*``; None: to be loaded later.
        hidden: Width of each direction.
        layers: LSTM layers.
        frozen: Above 0: the embedding table does not learn (the LSTM always does).
        dropout: Of the embeddings and between the layers.
    """

    stem: nn.Module | None = None

    def __init__(
        self,
        *,
        vocabulary: int,
        embedding: int,
        state: dict[str, Tensor] | None,
        hidden: int,
        layers: int,
        frozen: float,
        dropout: float,
    ) -> None:
        super().__init__()
        self.width = 2 * hidden
        self.table = nn.Embedding(vocabulary, embedding)
        self.table.requires_grad_(frozen == 0)
        self.norm = nn.LayerNorm(
            embedding
        )  # a checkpoint's rows are small: MiniLM's deviate by .05
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(
            embedding,
            hidden,
            num_layers=layers,
            dropout=dropout if layers > 1 else 0.0,
            bidirectional=True,
            batch_first=True,
        )
        if state is not None:
            self._start_from(state)

    def pretrained(self) -> dict[str, Tensor]:
        """What another BiLSTM can start from."""
        state = {name: value.detach().cpu().clone() for name, value in self.state_dict().items()}
        return {"embeddings": state.pop("table.weight"), **state}

    def _start_from(self, state: dict[str, Tensor]) -> None:
        self.table.weight.data.copy_(state["embeddings"])
        if any(name.startswith("lstm.") for name in state):
            wanted = [name for name in self.state_dict() if name != "table.weight"]
            self.load_state_dict({name: state[name] for name in wanted}, strict=False)

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor | None) -> Tensor:
        """Hidden states (batch, length, width); token types are not read."""
        embedded = self.dropout(self.norm(self.table(ids)))
        packed = pack_padded_sequence(
            embedded, mask.sum(1).cpu(), batch_first=True, enforce_sorted=False
        )
        hidden, _ = pad_packed_sequence(
            self.lstm(packed)[0], batch_first=True, total_length=ids.shape[1]
        )
        return hidden
