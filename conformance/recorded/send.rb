# The HTTP client of Ruby's SDK, net/http: requests come as lines of JSON, answers go as lines of JSON.
# As the SDK does, it decodes every body there is; what it cannot decode is said in `complaint`.

require "base64"
require "json"
require "net/http"

$stdout.sync = true
while (line = $stdin.gets)
  wanted = JSON.parse(line)
  url = URI(wanted["url"])
  request = Net::HTTPGenericRequest.new(wanted["method"], wanted["body"] != "", true, url)
  wanted["headers"].each do |header|
    name, value = header.split(": ", 2)
    request[name] = value
  end
  request.body = Base64.decode64(wanted["body"]) if wanted["body"] != ""
  answer = Net::HTTP.start(url.host, url.port, nil) { |http| http.request(request) }
  body = answer.body.to_s
  complaint = ""
  begin
    JSON.parse(body) unless body.empty?
  rescue JSON::ParserError => e
    complaint = "Ruby decodes no JSON: #{e.message}"
  end
  puts JSON.generate(
    status: answer.code.to_i,
    headers: answer.each_header.to_h,
    body: Base64.strict_encode64(body),
    complaint: complaint,
  )
end
