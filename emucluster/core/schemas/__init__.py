"""What the API's kinds look like: for patches, strict decoding, protobuf bodies and OpenAPI."""
