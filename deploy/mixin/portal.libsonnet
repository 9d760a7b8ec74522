// The template of links through an access portal: that of the configuration, or of the AWS
// access portal. Empty: links open in the account that the reader is signed in to.
function(config)
  local escape(role) = std.foldl(
    function(text, c) std.strReplace(text, c, '%%%02X' % std.codepoint(c)), ['+', '=', ',', '@'], role
  );
  local aws = config.aws;
  local url = if std.endsWith(aws.sso_start_url, '/') then aws.sso_start_url[:std.length(aws.sso_start_url) - 1] else aws.sso_start_url;
  if aws.console_url != '' || url == '' then aws.console_url
  else url + '/#/console?account_id={account_id}'
       + (if aws.sso_role == '' then '' else '&role_name=' + escape(aws.sso_role))
       + '&destination={destination}'
