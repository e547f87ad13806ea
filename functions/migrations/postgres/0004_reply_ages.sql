-- When a reply was taken on record, so that it can be forgotten one day.

ALTER TABLE recorded_replies ADD COLUMN IF NOT EXISTS recorded_at TIMESTAMPTZ NOT NULL DEFAULT now();

CREATE INDEX IF NOT EXISTS idx_recorded_replies_recorded_at ON recorded_replies (recorded_at);
