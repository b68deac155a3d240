from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_UNSPECIFIED: _ClassVar[ErrorCode]
    ERROR_BAD_API_KEY: _ClassVar[ErrorCode]
    ERROR_NOT_LOGGED_IN: _ClassVar[ErrorCode]
    ERROR_INVALID_AUTH_ID: _ClassVar[ErrorCode]
    ERROR_NOT_HIGH_ENOUGH_PERMISSIONS: _ClassVar[ErrorCode]
    ERROR_BAD_MODEL_NAME: _ClassVar[ErrorCode]
    ERROR_USER_NOT_FOUND: _ClassVar[ErrorCode]
    ERROR_FREE_USER_RATE_LIMIT_EXCEEDED: _ClassVar[ErrorCode]
    ERROR_PRO_USER_RATE_LIMIT_EXCEEDED: _ClassVar[ErrorCode]
    ERROR_FREE_USER_USAGE_LIMIT: _ClassVar[ErrorCode]
    ERROR_PRO_USER_USAGE_LIMIT: _ClassVar[ErrorCode]
    ERROR_AUTH_TOKEN_NOT_FOUND: _ClassVar[ErrorCode]
    ERROR_AUTH_TOKEN_EXPIRED: _ClassVar[ErrorCode]
    ERROR_OPENAI: _ClassVar[ErrorCode]
    ERROR_OPENAI_RATE_LIMIT_EXCEEDED: _ClassVar[ErrorCode]
    ERROR_OPENAI_ACCOUNT_LIMIT_EXCEEDED: _ClassVar[ErrorCode]
    ERROR_TASK_UUID_NOT_FOUND: _ClassVar[ErrorCode]
    ERROR_TASK_NO_PERMISSIONS: _ClassVar[ErrorCode]
    ERROR_AGENT_REQUIRES_LOGIN: _ClassVar[ErrorCode]
    ERROR_AGENT_ENGINE_NOT_FOUND: _ClassVar[ErrorCode]
    ERROR_MAX_TOKENS: _ClassVar[ErrorCode]
    ERROR_USER_ABORTED_REQUEST: _ClassVar[ErrorCode]
    ERROR_GENERIC_RATE_LIMIT_EXCEEDED: _ClassVar[ErrorCode]
    ERROR_PRO_USER_ONLY: _ClassVar[ErrorCode]
    ERROR_API_KEY_NOT_SUPPORTED: _ClassVar[ErrorCode]
    ERROR_TIMEOUT: _ClassVar[ErrorCode]
    ERROR_SLASH_EDIT_FILE_TOO_LONG: _ClassVar[ErrorCode]
    ERROR_FILE_UNSUPPORTED: _ClassVar[ErrorCode]
    ERROR_GPT_4_VISION_PREVIEW_RATE_LIMIT: _ClassVar[ErrorCode]
    ERROR_CUSTOM_MESSAGE: _ClassVar[ErrorCode]
    ERROR_OUTDATED_CLIENT: _ClassVar[ErrorCode]
    ERROR_CLAUDE_IMAGE_TOO_LARGE: _ClassVar[ErrorCode]
    ERROR_GITGRAPH_NOT_FOUND: _ClassVar[ErrorCode]
    ERROR_FILE_NOT_FOUND: _ClassVar[ErrorCode]
    ERROR_API_KEY_RATE_LIMIT: _ClassVar[ErrorCode]
    ERROR_DEBOUNCED: _ClassVar[ErrorCode]
    ERROR_BAD_REQUEST: _ClassVar[ErrorCode]
    ERROR_UNAUTHORIZED: _ClassVar[ErrorCode]
    ERROR_NOT_FOUND: _ClassVar[ErrorCode]
    ERROR_DEPRECATED: _ClassVar[ErrorCode]
    ERROR_RESOURCE_EXHAUSTED: _ClassVar[ErrorCode]
    ERROR_BAD_USER_API_KEY: _ClassVar[ErrorCode]
    ERROR_CONVERSATION_TOO_LONG: _ClassVar[ErrorCode]
    ERROR_USAGE_PRICING_REQUIRED: _ClassVar[ErrorCode]
    ERROR_USAGE_PRICING_REQUIRED_CHANGEABLE: _ClassVar[ErrorCode]
    ERROR_RATE_LIMITED: _ClassVar[ErrorCode]
    ERROR_RATE_LIMITED_CHANGEABLE: _ClassVar[ErrorCode]
    ERROR_CUSTOM: _ClassVar[ErrorCode]
    ERROR_HOOKS_BLOCKED: _ClassVar[ErrorCode]
    ERROR_SUSPICIOUS_USAGE_BLOCKED: _ClassVar[ErrorCode]
    ERROR_EXTENSION_HOST_TIMEOUT: _ClassVar[ErrorCode]

class DegradationStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEGRADATION_STATUS_UNSPECIFIED: _ClassVar[DegradationStatus]
    DEGRADATION_STATUS_DEGRADED: _ClassVar[DegradationStatus]
    DEGRADATION_STATUS_DISABLED: _ClassVar[DegradationStatus]

class Http2Config(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HTTP2_CONFIG_UNSPECIFIED: _ClassVar[Http2Config]
    HTTP2_CONFIG_FORCE_ALL_DISABLED: _ClassVar[Http2Config]
    HTTP2_CONFIG_FORCE_ALL_ENABLED: _ClassVar[Http2Config]
    HTTP2_CONFIG_FORCE_BIDI_DISABLED: _ClassVar[Http2Config]
    HTTP2_CONFIG_FORCE_BIDI_ENABLED: _ClassVar[Http2Config]

class PrivacyMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRIVACY_MODE_UNSPECIFIED: _ClassVar[PrivacyMode]
    PRIVACY_MODE_NO_STORAGE: _ClassVar[PrivacyMode]
    PRIVACY_MODE_NO_TRAINING: _ClassVar[PrivacyMode]
    PRIVACY_MODE_USAGE_DATA_TRAINING_ALLOWED: _ClassVar[PrivacyMode]
    PRIVACY_MODE_USAGE_CODEBASE_TRAINING_ALLOWED: _ClassVar[PrivacyMode]
ERROR_UNSPECIFIED: ErrorCode
ERROR_BAD_API_KEY: ErrorCode
ERROR_NOT_LOGGED_IN: ErrorCode
ERROR_INVALID_AUTH_ID: ErrorCode
ERROR_NOT_HIGH_ENOUGH_PERMISSIONS: ErrorCode
ERROR_BAD_MODEL_NAME: ErrorCode
ERROR_USER_NOT_FOUND: ErrorCode
ERROR_FREE_USER_RATE_LIMIT_EXCEEDED: ErrorCode
ERROR_PRO_USER_RATE_LIMIT_EXCEEDED: ErrorCode
ERROR_FREE_USER_USAGE_LIMIT: ErrorCode
ERROR_PRO_USER_USAGE_LIMIT: ErrorCode
ERROR_AUTH_TOKEN_NOT_FOUND: ErrorCode
ERROR_AUTH_TOKEN_EXPIRED: ErrorCode
ERROR_OPENAI: ErrorCode
ERROR_OPENAI_RATE_LIMIT_EXCEEDED: ErrorCode
ERROR_OPENAI_ACCOUNT_LIMIT_EXCEEDED: ErrorCode
ERROR_TASK_UUID_NOT_FOUND: ErrorCode
ERROR_TASK_NO_PERMISSIONS: ErrorCode
ERROR_AGENT_REQUIRES_LOGIN: ErrorCode
ERROR_AGENT_ENGINE_NOT_FOUND: ErrorCode
ERROR_MAX_TOKENS: ErrorCode
ERROR_USER_ABORTED_REQUEST: ErrorCode
ERROR_GENERIC_RATE_LIMIT_EXCEEDED: ErrorCode
ERROR_PRO_USER_ONLY: ErrorCode
ERROR_API_KEY_NOT_SUPPORTED: ErrorCode
ERROR_TIMEOUT: ErrorCode
ERROR_SLASH_EDIT_FILE_TOO_LONG: ErrorCode
ERROR_FILE_UNSUPPORTED: ErrorCode
ERROR_GPT_4_VISION_PREVIEW_RATE_LIMIT: ErrorCode
ERROR_CUSTOM_MESSAGE: ErrorCode
ERROR_OUTDATED_CLIENT: ErrorCode
ERROR_CLAUDE_IMAGE_TOO_LARGE: ErrorCode
ERROR_GITGRAPH_NOT_FOUND: ErrorCode
ERROR_FILE_NOT_FOUND: ErrorCode
ERROR_API_KEY_RATE_LIMIT: ErrorCode
ERROR_DEBOUNCED: ErrorCode
ERROR_BAD_REQUEST: ErrorCode
ERROR_UNAUTHORIZED: ErrorCode
ERROR_NOT_FOUND: ErrorCode
ERROR_DEPRECATED: ErrorCode
ERROR_RESOURCE_EXHAUSTED: ErrorCode
ERROR_BAD_USER_API_KEY: ErrorCode
ERROR_CONVERSATION_TOO_LONG: ErrorCode
ERROR_USAGE_PRICING_REQUIRED: ErrorCode
ERROR_USAGE_PRICING_REQUIRED_CHANGEABLE: ErrorCode
ERROR_RATE_LIMITED: ErrorCode
ERROR_RATE_LIMITED_CHANGEABLE: ErrorCode
ERROR_CUSTOM: ErrorCode
ERROR_HOOKS_BLOCKED: ErrorCode
ERROR_SUSPICIOUS_USAGE_BLOCKED: ErrorCode
ERROR_EXTENSION_HOST_TIMEOUT: ErrorCode
DEGRADATION_STATUS_UNSPECIFIED: DegradationStatus
DEGRADATION_STATUS_DEGRADED: DegradationStatus
DEGRADATION_STATUS_DISABLED: DegradationStatus
HTTP2_CONFIG_UNSPECIFIED: Http2Config
HTTP2_CONFIG_FORCE_ALL_DISABLED: Http2Config
HTTP2_CONFIG_FORCE_ALL_ENABLED: Http2Config
HTTP2_CONFIG_FORCE_BIDI_DISABLED: Http2Config
HTTP2_CONFIG_FORCE_BIDI_ENABLED: Http2Config
PRIVACY_MODE_UNSPECIFIED: PrivacyMode
PRIVACY_MODE_NO_STORAGE: PrivacyMode
PRIVACY_MODE_NO_TRAINING: PrivacyMode
PRIVACY_MODE_USAGE_DATA_TRAINING_ALLOWED: PrivacyMode
PRIVACY_MODE_USAGE_CODEBASE_TRAINING_ALLOWED: PrivacyMode

class BidiRequestId(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class BidiAppendRequest(_message.Message):
    __slots__ = ("data", "request_id", "append_seqno", "data_binary")
    DATA_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    APPEND_SEQNO_FIELD_NUMBER: _ClassVar[int]
    DATA_BINARY_FIELD_NUMBER: _ClassVar[int]
    data: str
    request_id: BidiRequestId
    append_seqno: int
    data_binary: bytes
    def __init__(self, data: _Optional[str] = ..., request_id: _Optional[_Union[BidiRequestId, _Mapping]] = ..., append_seqno: _Optional[int] = ..., data_binary: _Optional[bytes] = ...) -> None: ...

class BidiAppendResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ErrorDetails(_message.Message):
    __slots__ = ("error", "details", "is_expected")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    IS_EXPECTED_FIELD_NUMBER: _ClassVar[int]
    error: ErrorCode
    details: CustomErrorDetails
    is_expected: bool
    def __init__(self, error: _Optional[_Union[ErrorCode, str]] = ..., details: _Optional[_Union[CustomErrorDetails, _Mapping]] = ..., is_expected: _Optional[bool] = ...) -> None: ...

class CustomErrorDetails(_message.Message):
    __slots__ = ("title", "detail", "is_retryable", "additional_info")
    class AdditionalInfoEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TITLE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    IS_RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    ADDITIONAL_INFO_FIELD_NUMBER: _ClassVar[int]
    title: str
    detail: str
    is_retryable: bool
    additional_info: _containers.ScalarMap[str, str]
    def __init__(self, title: _Optional[str] = ..., detail: _Optional[str] = ..., is_retryable: _Optional[bool] = ..., additional_info: _Optional[_Mapping[str, str]] = ...) -> None: ...

class AvailableModelsRequest(_message.Message):
    __slots__ = ("is_nightly", "include_long_context_models", "exclude_max_named_models", "additional_model_names", "use_model_parameters")
    IS_NIGHTLY_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_LONG_CONTEXT_MODELS_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_MAX_NAMED_MODELS_FIELD_NUMBER: _ClassVar[int]
    ADDITIONAL_MODEL_NAMES_FIELD_NUMBER: _ClassVar[int]
    USE_MODEL_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    is_nightly: bool
    include_long_context_models: bool
    exclude_max_named_models: bool
    additional_model_names: _containers.RepeatedScalarFieldContainer[str]
    use_model_parameters: bool
    def __init__(self, is_nightly: _Optional[bool] = ..., include_long_context_models: _Optional[bool] = ..., exclude_max_named_models: _Optional[bool] = ..., additional_model_names: _Optional[_Iterable[str]] = ..., use_model_parameters: _Optional[bool] = ...) -> None: ...

class AvailableModelsResponse(_message.Message):
    __slots__ = ("model_names", "models", "use_model_parameters")
    MODEL_NAMES_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    USE_MODEL_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    model_names: _containers.RepeatedScalarFieldContainer[str]
    models: _containers.RepeatedCompositeFieldContainer[AvailableModel]
    use_model_parameters: bool
    def __init__(self, model_names: _Optional[_Iterable[str]] = ..., models: _Optional[_Iterable[_Union[AvailableModel, _Mapping]]] = ..., use_model_parameters: _Optional[bool] = ...) -> None: ...

class AvailableModel(_message.Message):
    __slots__ = ("name", "default_on", "is_long_context_only", "is_chat_only", "supports_agent", "degradation_status", "supports_thinking", "supports_images", "supports_max_mode", "context_token_limit", "context_token_limit_for_max_mode", "client_display_name", "server_model_name", "supports_non_max_mode", "variants", "legacy_slugs", "id_aliases")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_ON_FIELD_NUMBER: _ClassVar[int]
    IS_LONG_CONTEXT_ONLY_FIELD_NUMBER: _ClassVar[int]
    IS_CHAT_ONLY_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_AGENT_FIELD_NUMBER: _ClassVar[int]
    DEGRADATION_STATUS_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_THINKING_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_IMAGES_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_MAX_MODE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_TOKEN_LIMIT_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_TOKEN_LIMIT_FOR_MAX_MODE_FIELD_NUMBER: _ClassVar[int]
    CLIENT_DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    SERVER_MODEL_NAME_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_NON_MAX_MODE_FIELD_NUMBER: _ClassVar[int]
    VARIANTS_FIELD_NUMBER: _ClassVar[int]
    LEGACY_SLUGS_FIELD_NUMBER: _ClassVar[int]
    ID_ALIASES_FIELD_NUMBER: _ClassVar[int]
    name: str
    default_on: bool
    is_long_context_only: bool
    is_chat_only: bool
    supports_agent: bool
    degradation_status: DegradationStatus
    supports_thinking: bool
    supports_images: bool
    supports_max_mode: bool
    context_token_limit: int
    context_token_limit_for_max_mode: int
    client_display_name: str
    server_model_name: str
    supports_non_max_mode: bool
    variants: _containers.RepeatedCompositeFieldContainer[ModelVariant]
    legacy_slugs: _containers.RepeatedScalarFieldContainer[str]
    id_aliases: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., default_on: _Optional[bool] = ..., is_long_context_only: _Optional[bool] = ..., is_chat_only: _Optional[bool] = ..., supports_agent: _Optional[bool] = ..., degradation_status: _Optional[_Union[DegradationStatus, str]] = ..., supports_thinking: _Optional[bool] = ..., supports_images: _Optional[bool] = ..., supports_max_mode: _Optional[bool] = ..., context_token_limit: _Optional[int] = ..., context_token_limit_for_max_mode: _Optional[int] = ..., client_display_name: _Optional[str] = ..., server_model_name: _Optional[str] = ..., supports_non_max_mode: _Optional[bool] = ..., variants: _Optional[_Iterable[_Union[ModelVariant, _Mapping]]] = ..., legacy_slugs: _Optional[_Iterable[str]] = ..., id_aliases: _Optional[_Iterable[str]] = ...) -> None: ...

class ModelVariant(_message.Message):
    __slots__ = ("parameter_values", "display_name", "is_max_mode", "is_default_max_config", "is_default_non_max_config", "tagline", "variant_string_representation", "legacy_slug")
    PARAMETER_VALUES_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    IS_MAX_MODE_FIELD_NUMBER: _ClassVar[int]
    IS_DEFAULT_MAX_CONFIG_FIELD_NUMBER: _ClassVar[int]
    IS_DEFAULT_NON_MAX_CONFIG_FIELD_NUMBER: _ClassVar[int]
    TAGLINE_FIELD_NUMBER: _ClassVar[int]
    VARIANT_STRING_REPRESENTATION_FIELD_NUMBER: _ClassVar[int]
    LEGACY_SLUG_FIELD_NUMBER: _ClassVar[int]
    parameter_values: _containers.RepeatedCompositeFieldContainer[VariantParameter]
    display_name: str
    is_max_mode: bool
    is_default_max_config: bool
    is_default_non_max_config: bool
    tagline: str
    variant_string_representation: str
    legacy_slug: str
    def __init__(self, parameter_values: _Optional[_Iterable[_Union[VariantParameter, _Mapping]]] = ..., display_name: _Optional[str] = ..., is_max_mode: _Optional[bool] = ..., is_default_max_config: _Optional[bool] = ..., is_default_non_max_config: _Optional[bool] = ..., tagline: _Optional[str] = ..., variant_string_representation: _Optional[str] = ..., legacy_slug: _Optional[str] = ...) -> None: ...

class VariantParameter(_message.Message):
    __slots__ = ("id", "value")
    ID_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    id: str
    value: str
    def __init__(self, id: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class GetServerConfigResponse(_message.Message):
    __slots__ = ("config_version", "http2_config", "agent_url_config")
    CONFIG_VERSION_FIELD_NUMBER: _ClassVar[int]
    HTTP2_CONFIG_FIELD_NUMBER: _ClassVar[int]
    AGENT_URL_CONFIG_FIELD_NUMBER: _ClassVar[int]
    config_version: str
    http2_config: Http2Config
    agent_url_config: AgentUrlConfig
    def __init__(self, config_version: _Optional[str] = ..., http2_config: _Optional[_Union[Http2Config, str]] = ..., agent_url_config: _Optional[_Union[AgentUrlConfig, _Mapping]] = ...) -> None: ...

class AgentUrlConfig(_message.Message):
    __slots__ = ("agent_url", "agentn_url")
    AGENT_URL_FIELD_NUMBER: _ClassVar[int]
    AGENTN_URL_FIELD_NUMBER: _ClassVar[int]
    agent_url: str
    agentn_url: str
    def __init__(self, agent_url: _Optional[str] = ..., agentn_url: _Optional[str] = ...) -> None: ...

class GetUserPrivacyModeResponse(_message.Message):
    __slots__ = ("privacy_mode",)
    PRIVACY_MODE_FIELD_NUMBER: _ClassVar[int]
    privacy_mode: PrivacyMode
    def __init__(self, privacy_mode: _Optional[_Union[PrivacyMode, str]] = ...) -> None: ...

class GetMeResponse(_message.Message):
    __slots__ = ("auth_id", "user_id", "email", "first_name", "last_name")
    AUTH_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    FIRST_NAME_FIELD_NUMBER: _ClassVar[int]
    LAST_NAME_FIELD_NUMBER: _ClassVar[int]
    auth_id: str
    user_id: int
    email: str
    first_name: str
    last_name: str
    def __init__(self, auth_id: _Optional[str] = ..., user_id: _Optional[int] = ..., email: _Optional[str] = ..., first_name: _Optional[str] = ..., last_name: _Optional[str] = ...) -> None: ...

class GetCurrentPeriodUsageResponse(_message.Message):
    __slots__ = ("billing_cycle_start", "billing_cycle_end", "plan_usage", "spend_limit_usage", "display_threshold", "enabled", "display_message")
    BILLING_CYCLE_START_FIELD_NUMBER: _ClassVar[int]
    BILLING_CYCLE_END_FIELD_NUMBER: _ClassVar[int]
    PLAN_USAGE_FIELD_NUMBER: _ClassVar[int]
    SPEND_LIMIT_USAGE_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    billing_cycle_start: int
    billing_cycle_end: int
    plan_usage: PlanUsage
    spend_limit_usage: SpendLimitUsage
    display_threshold: int
    enabled: bool
    display_message: str
    def __init__(self, billing_cycle_start: _Optional[int] = ..., billing_cycle_end: _Optional[int] = ..., plan_usage: _Optional[_Union[PlanUsage, _Mapping]] = ..., spend_limit_usage: _Optional[_Union[SpendLimitUsage, _Mapping]] = ..., display_threshold: _Optional[int] = ..., enabled: _Optional[bool] = ..., display_message: _Optional[str] = ...) -> None: ...

class PlanUsage(_message.Message):
    __slots__ = ("total_spend", "included_spend", "bonus_spend", "remaining", "limit", "remaining_bonus", "bonus_tooltip", "auto_spend", "api_spend", "auto_limit", "api_limit", "auto_percent_used", "api_percent_used", "total_percent_used")
    TOTAL_SPEND_FIELD_NUMBER: _ClassVar[int]
    INCLUDED_SPEND_FIELD_NUMBER: _ClassVar[int]
    BONUS_SPEND_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    REMAINING_BONUS_FIELD_NUMBER: _ClassVar[int]
    BONUS_TOOLTIP_FIELD_NUMBER: _ClassVar[int]
    AUTO_SPEND_FIELD_NUMBER: _ClassVar[int]
    API_SPEND_FIELD_NUMBER: _ClassVar[int]
    AUTO_LIMIT_FIELD_NUMBER: _ClassVar[int]
    API_LIMIT_FIELD_NUMBER: _ClassVar[int]
    AUTO_PERCENT_USED_FIELD_NUMBER: _ClassVar[int]
    API_PERCENT_USED_FIELD_NUMBER: _ClassVar[int]
    TOTAL_PERCENT_USED_FIELD_NUMBER: _ClassVar[int]
    total_spend: int
    included_spend: int
    bonus_spend: int
    remaining: int
    limit: int
    remaining_bonus: bool
    bonus_tooltip: str
    auto_spend: int
    api_spend: int
    auto_limit: int
    api_limit: int
    auto_percent_used: float
    api_percent_used: float
    total_percent_used: float
    def __init__(self, total_spend: _Optional[int] = ..., included_spend: _Optional[int] = ..., bonus_spend: _Optional[int] = ..., remaining: _Optional[int] = ..., limit: _Optional[int] = ..., remaining_bonus: _Optional[bool] = ..., bonus_tooltip: _Optional[str] = ..., auto_spend: _Optional[int] = ..., api_spend: _Optional[int] = ..., auto_limit: _Optional[int] = ..., api_limit: _Optional[int] = ..., auto_percent_used: _Optional[float] = ..., api_percent_used: _Optional[float] = ..., total_percent_used: _Optional[float] = ...) -> None: ...

class SpendLimitUsage(_message.Message):
    __slots__ = ("total_spend", "pooled_limit", "pooled_used", "pooled_remaining", "individual_limit", "individual_used", "individual_remaining", "limit_type")
    TOTAL_SPEND_FIELD_NUMBER: _ClassVar[int]
    POOLED_LIMIT_FIELD_NUMBER: _ClassVar[int]
    POOLED_USED_FIELD_NUMBER: _ClassVar[int]
    POOLED_REMAINING_FIELD_NUMBER: _ClassVar[int]
    INDIVIDUAL_LIMIT_FIELD_NUMBER: _ClassVar[int]
    INDIVIDUAL_USED_FIELD_NUMBER: _ClassVar[int]
    INDIVIDUAL_REMAINING_FIELD_NUMBER: _ClassVar[int]
    LIMIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    total_spend: int
    pooled_limit: int
    pooled_used: int
    pooled_remaining: int
    individual_limit: int
    individual_used: int
    individual_remaining: int
    limit_type: str
    def __init__(self, total_spend: _Optional[int] = ..., pooled_limit: _Optional[int] = ..., pooled_used: _Optional[int] = ..., pooled_remaining: _Optional[int] = ..., individual_limit: _Optional[int] = ..., individual_used: _Optional[int] = ..., individual_remaining: _Optional[int] = ..., limit_type: _Optional[str] = ...) -> None: ...
