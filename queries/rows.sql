-- Which rows of a batch belong to a model: the model's own `where`, a NULL counting as no.
-- grain: row of the batch, in the batch's order
-- reads: selected (the batch's rows and `wanted`, the value of the model's `where`)
-- parameters: none
-- columns: wanted (BOOLEAN, never NULL)
SELECT coalesce(wanted, FALSE) AS wanted
FROM selected
