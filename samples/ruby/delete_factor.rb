# frozen_string_literal: true

# region
WorkOS::MFA.delete_factor(id: factor_id)
# endregion
